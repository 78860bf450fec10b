"""Settings of a reward-model training: one table, defaults of each base, and refusals that name everything at once."""

from __future__ import annotations

from dataclasses import fields

import pytest
import yaml

from pipeline.errors import SettingError
from pipeline.models.planning import Plan
from pipeline.models.specs import SPECS
from pipeline.scoring.forward import FINAL
from pipeline.teaching.preferences import HELD_OUT_SHARE, SPLIT_SEED
from pipeline.teaching.reward.command import config_of, launch_argv
from pipeline.teaching.reward.settings import GROUPS, RewardSettings, defaults_for, describe
from pipeline.training.command import as_yaml

CPU = Plan("cpu", "fp32", "none", 1.0, "r")
GPU = Plan("cuda", "bf16", "nf4", 9.0, "r")


def test_every_field_has_words_a_group_and_limits() -> None:
    rows = describe()
    assert [row["name"] for row in rows] == [one.name for one in fields(RewardSettings)]
    for row in rows:
        assert row["label"] and len(row["help"]) > 20 and row["group"] in GROUPS, row["name"]
        assert row["kind"] in ("switch", "text") or row["range"], row["name"]


def test_a_form_shows_few_fields_and_folds_the_rest() -> None:
    assert len([row for row in describe() if not row["advanced"]]) <= 10


def test_the_defaults_are_within_their_own_limits_for_each_base() -> None:
    for base in (*SPECS, "llava-hf/llava-1.5-7b-hf"):
        assert RewardSettings.parse(defaults_for(base).as_json()) == defaults_for(base)


def test_other_bases_take_the_authors_recipe() -> None:
    told = RewardSettings.parse({"base": "llava-1.5-7b", "kind": "answer"})
    assert (told.rank, told.alpha, told.dropout, told.learning_rate, told.epochs, told.augment) == (128, 256, 0.05, 2e-5, 5.0, 0.25)
    assert told.layer == FINAL and told.schedule == "cosine" and told.warmup == 0.03 and told.projector and len(told.modules) == 7


def test_the_default_split_is_that_of_the_scorers_that_ship() -> None:
    assert (RewardSettings().held_out_share, RewardSettings().split_seed) == (HELD_OUT_SHARE, SPLIT_SEED)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        RewardSettings.parse({"rank": 0, "augment": 1.5, "kind": "both", "epochs": "many", "rank_": 1})
    for word in ("rank is '0'", "augment is '1.5'", "kind is 'both'", "epochs is 'many'", "no setting 'rank_'"):
        assert word in caught.value.message
    assert caught.value.place == "teaching settings"


@pytest.mark.parametrize(("told", "words"), [({"layer": 0}, "layer is 0"), ({"layer": 31}, "layer is 31, but Embedded LLaVA, 139M has 30"),
                                             ({"head_learning_rate": 1e-6}, "a tenth"), ({"base": "no model"}, "no model"), ({"base": "--config"}, "base"),
                                             ([1], "no table"), ({"epochs": float("nan")}, "no number"), ({"rank": True}, "no number")])
def test_what_cannot_be_is_refused(told: object, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        RewardSettings.parse(told)  # type: ignore[arg-type]


def test_steps_come_from_items_batches_and_epochs() -> None:
    told = RewardSettings(batch_groups=2, accumulation=2, epochs=3.0)
    assert told.steps(0) == 0 and told.steps(4) == 3 and told.steps(5) == 6
    assert RewardSettings(max_steps=7).steps(100) == 7
    assert RewardSettings(batch_groups=2, accumulation=1, epochs=1.0, processes=4).steps(16) == 2


def test_layers_above_the_one_that_is_read_are_not_computed() -> None:
    assert RewardSettings(layer=14).layers_of(SPECS["embedded"]) == 14
    assert RewardSettings(layer=FINAL).layers_of(SPECS["llava-1.5-7b"]) == 32


def test_the_command_is_an_argv_and_several_gpus_are_several_processes() -> None:
    from pathlib import Path

    config = Path("/w/runs/0001-run/run.json")
    assert launch_argv(config, CPU, 2, python="python")[-4:] == ["-m", "pipeline.teaching.reward.program", "--config", str(config)]
    assert launch_argv(config, CPU, 2, 4)[4] == "1"  # a CPU is one
    many = launch_argv(config, GPU, 8, 4)
    assert many[many.index("--num_processes") + 1] == "4" and "--multi_gpu" in many and "--cpu" not in many


def test_the_config_tells_its_kind_and_comes_back_from_yaml() -> None:
    config = config_of(name="a; rm -rf ~", base={"name": "embedded", "source": "embedded"}, plan={"device": "cpu"}, settings=RewardSettings(rank=3), data={})
    assert config["kind"] == "teach" and RewardSettings.parse(yaml.safe_load(as_yaml(config))["settings"]).rank == 3
