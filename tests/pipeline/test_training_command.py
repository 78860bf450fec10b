"""What is launched: exactly these arguments, whatever a person typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from pipeline.models.planning import Plan
from pipeline.training.command import as_python, as_shell, as_yaml, config_of, launch_argv, run_folder_name
from pipeline.training.program import read_config
from pipeline.training.settings import TuneSettings

CPU = Plan("cpu", "fp32", "none", 1.0, "")
GPU = Plan("cuda", "bf16", "nf4", 1.0, "")
HOSTILE = ["; rm -rf ~", "$(touch /tmp/x)", "`id`", "--config /etc/passwd", "-m os", "a\nb", "' OR 1=1", "../../etc", "名前", "\x00", "%s%n", "A" * 500, "&& curl evil"]


def test_the_arguments_on_a_cpu_are_these() -> None:
    assert launch_argv(Path("/w/runs/0001-run/run.json"), CPU, 2, "python") == [
        "python", "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1", "--dynamo_backend", "no",
        "--mixed_precision", "no", "--cpu", "--num_cpu_threads_per_process", "2", "-m", "pipeline.training.program", "--config", "/w/runs/0001-run/run.json"]


def test_the_arguments_on_a_gpu_ask_for_no_cpu() -> None:
    argv = launch_argv(Path("run.json"), GPU, 2, "python")
    assert "--cpu" not in argv and argv[argv.index("--mixed_precision") + 1] == "bf16"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_a_plain_folder_name(name: str) -> None:
    folder = run_folder_name(7, name)
    assert folder.startswith("0007-") and set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and len(folder) <= 45


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_changes_no_argument(text: str, tmp_path: Path) -> None:
    """Name and base are data in the config file; the argument list is the same for all of them."""
    config = config_of(name=text, base={"name": text, "source": text}, plan={}, settings=TuneSettings(base=text), data={"selection": text})
    path = tmp_path / run_folder_name(1, text) / "run.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    expected = launch_argv(tmp_path / "X" / "run.json", CPU, 2)
    found = launch_argv(path, CPU, 2)
    assert found[:-1] == expected[:-1] and found[-1] == str(path)
    assert read_config(path).base == text and read_config(path).name == text


def test_the_shell_line_reads_back_as_the_same_arguments() -> None:
    argv = launch_argv(Path("/a folder/it's/run.json"), CPU, 2)
    assert shlex.split(as_shell(argv)) == argv


def test_the_python_lines_name_the_same_arguments() -> None:
    argv = launch_argv(Path("/a folder/it's/run.json"), CPU, 2)
    told: dict[str, object] = {}

    class FakeSubprocess:
        @staticmethod
        def run(command: list[str], check: bool) -> None:
            told["command"] = command

    code = as_python(argv).replace("import subprocess\n", "")
    exec(code, {"subprocess": FakeSubprocess})
    assert told["command"] == argv


def test_the_yaml_config_reads_back_as_the_same_run(tmp_path: Path) -> None:
    config = config_of(name="a: b # c", base={"name": "embedded", "source": "embedded"}, plan={"device": "cpu"}, settings=TuneSettings(learning_rate=1e-5), data={})
    path = tmp_path / "run.yaml"
    path.write_text(as_yaml(config), encoding="utf-8")
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == config
    found = read_config(path)
    assert found.name == "a: b # c" and TuneSettings.parse(found.settings).learning_rate == 1e-5
