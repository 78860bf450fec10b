"""The map: like records near each other, clusters with telling names, every ugly data set with a map or a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pipeline.tiny_llava import make_tiny_llava

from pipeline.errors import JobCancelled, ModelError
from pipeline.models.loading import LoadedModel, load
from pipeline.models.planning import Plan
from pipeline.models.shelf import ModelShelf
from pipeline.models.specs import spec_for
from pipeline.records import Record, Turn
from pipeline.signals import find, map_clusters, map_layout, map_pictures, map_text
from pipeline.signals import map as mapping
from pipeline.signals.columns import SignalColumns
from pipeline.signals.run import build
from pipeline.signals.signal import Result, SignalContext
from pipeline.store import Store

TOPICS = ("kitchen table food plate fork oven pan", "football pitch player goal ball team referee", "train station rail platform locomotive ticket carriage")


def texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(question, answer) of records whose topic is place % 3."""
    chance = np.random.default_rng(seed)
    return [(f"What is there in number {n}?", " ".join(["there is the", *chance.choice(TOPICS[n % 3].split(), 6)])) for n in range(count)]


def fill(store: Store, pairs: list[tuple[str, str]], name: str = "seeded", shas: list[str | None] | None = None) -> int:
    dataset_id = store.datasets.create(name, "here")
    store.records.add(dataset_id, [
        Record(f"r{n}", (Turn(question, (answer,) if answer else ()),), "detail", True, row=n, **({} if shas is None else {
            "images": (shas[n],), "image_paths": (f"{n}.png",), "image_problems": (None if shas[n] else "cut off",)})) for n, (question, answer) in enumerate(pairs)])
    store.datasets.finish(dataset_id, {})
    return dataset_id


def context_of(store: Store, dataset_id: int, shelf=None, step=lambda *_: None) -> SignalContext:
    return SignalContext(store, dataset_id, store.derived.facts(dataset_id), store.derived.folder(dataset_id) / "signals" / "map", 1, step, lambda: None, shelf)


def made(store: Store, pairs: list[tuple[str, str]], name: str = "seeded") -> Result:
    return mapping.run(context_of(store, fill(store, pairs, name)))


def test_records_of_one_topic_lie_together_and_name_their_clusters(store: Store) -> None:
    result = made(store, texts(120))
    topic = np.arange(120) % 3
    cluster = result.arrays["cluster"]
    for code in np.unique(cluster):
        assert len(np.unique(topic[cluster == code])) == 1, "no cluster mixes topics"
    words = {word for name in result.values["cluster"] for word in name.partition(" · ")[2].split(", ")}
    assert words <= set(" ".join(TOPICS).split()), "and none is named by a word that all records have"
    place = np.stack([result.arrays["map_x"], result.arrays["map_y"]], 1)
    assert place.dtype == np.float32 and np.abs(place).max() <= 1
    nearest = ((place[:, None] - place[None]) ** 2).sum(2) + np.eye(120) * 9
    assert (topic[nearest.argmin(1)] == topic).mean() > 0.95
    vectors = result.beside["vectors"]
    assert vectors.shape == (120, 64) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    sizes = np.bincount(cluster)
    assert (np.diff(sizes) <= 0).all() and result.values["cluster"][0].startswith("1 · "), "the largest cluster is the first"


def test_the_same_data_set_has_the_same_map(store: Store) -> None:
    one, two = made(store, texts(60)), made(store, texts(60), "again")
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name])
    assert one.values == two.values


@pytest.mark.parametrize("pairs, clusters, nowhere", [
    ([("What?", "A red chair.")], 1, 0),
    ([("What?", "A red chair."), ("Who?", "Two old men.")], 1, 0),
    ([("What?", "A red chair.")] * 70, 1, 0),
    ([("?", "")] * 5, 0, 5),
    ([("?", "!")] + [("What?", f"chair {n + 10} of wood") for n in range(9)], 4, 1),
    ([("何ですか", "赤い椅子です"), ("誰ですか", "古い家です"), ("что это", "красный стул"), ("קטן", "כיסא")], 2, 0),
], ids=["one record", "two records", "all alike", "no words", "one without words", "other scripts"])
def test_small_and_odd_data_sets(store: Store, pairs: list[tuple[str, str]], clusters: int, nowhere: int) -> None:
    dataset_id = fill(store, pairs)
    build(store, dataset_id, find("map"))
    columns = SignalColumns(store).all(dataset_id)
    assert len(columns["cluster"].values) == clusters
    assert int((columns["cluster"].array < 0).sum()) == nowhere == int(np.isnan(columns["map_x"].array).sum())
    assert ("lie nowhere" in SignalColumns(store).stored(dataset_id, "map").note) == bool(nowhere)


def test_groups_are_the_same_object_while_the_map_stands(store: Store) -> None:
    dataset_id = fill(store, texts(30))
    assert mapping.groups(store, dataset_id) is None
    build(store, dataset_id, find("map"))
    groups = mapping.groups(store, dataset_id)
    assert groups is not None and groups.cluster.dtype == np.int32 and groups.vectors.shape == (30, 64)
    assert mapping.groups(store, dataset_id) is groups
    build(store, dataset_id, find("map"))
    assert mapping.groups(store, dataset_id) is not groups


def test_a_stopped_run_goes_on_with_the_texts_it_has_placed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "PART", 20)
    dataset_id, undisturbed = fill(store, texts(60)), made(store, texts(60), "undisturbed")

    def stop(done: int, total: int, stage: str = "", message: str = "") -> None:
        if stage == "laying out":
            raise JobCancelled()

    with pytest.raises(JobCancelled):
        mapping.run(context_of(store, dataset_id, step=stop))
    read: list[int] = []
    stages: list[str] = []
    many = store.records.many
    monkeypatch.setattr(store.records, "many", lambda ids: (read.append(len(ids)), many(ids))[1])
    result = mapping.run(context_of(store, dataset_id, step=lambda done, total, stage="", message="": stages.append(stage)))
    assert sum(read) == 60, "the sample is read again, the placed texts are not"
    for name in result.arrays:
        np.testing.assert_array_equal(result.arrays[name], undisturbed.arrays[name])


def test_words_and_pictures_weigh_the_same_and_one_alone_is_the_whole_vector() -> None:
    texts, pictures = np.array([[1, 0], [0, 1], [0, 0], [0, 0]], np.float32), np.array([[0, 1, 0], [0, 0, 0]], np.float32)
    vectors, length = mapping.joined(texts, pictures, np.array([0, 1, 0, -1]))
    half = 0.5 ** 0.5
    np.testing.assert_allclose(vectors, [[half, 0, 0, half, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(length, [half, 1, 0, 0], atol=1e-6)


def test_number_of_clusters() -> None:
    assert [map_clusters.cluster_count(n) for n in (0, 1, 2, 10, 40, 200, 5_000, 20_000, 158_000, 1_000_000)] == [1, 1, 1, 5, 8, 10, 50, 100, 256, 256]


def test_a_stored_space_places_texts_as_the_fitted_one_did() -> None:
    words = [answer for _, answer in texts(80)]
    fitted = map_text.fit(words, 16)
    assert fitted is not None
    space, weights = fitted
    again = map_text.TextSpace(space.words.copy(), space.idf.copy(), space.axes.copy())
    assert abs(again.weights(words) - weights).max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(again.project(words), axis=1), 1, atol=1e-5)
    assert not again.project(["xyzzy", ""]).any() and space.width == 16
    assert "there" not in space.words, "a word in every text tells nothing"
    assert map_text.fit(["", "!"], 16) is None


def test_layouts_are_told_and_boxed(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    for count, how in ((0, "PCA"), (1, "PCA"), (50, "PCA"), (90, "t-SNE")):
        points, told = map_layout.laid_out(chance.normal(size=(count, 8)).astype(np.float32))
        assert points.shape == (count, 2) and points.dtype == np.float32 and how in told
        assert count < 2 or np.abs(points).max() == pytest.approx(1)
    alike, _ = map_layout.laid_out(np.ones((80, 8), np.float32))
    assert np.isfinite(alike).all()


@pytest.mark.slow
@pytest.mark.slow
def test_many_records_are_laid_out_by_umap_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_layout, "SOME", 100)
    monkeypatch.setattr(map_layout, "FITTED", 300)
    chance, steps = np.random.default_rng(0), []
    topic = np.arange(600) % 3
    vectors = (np.eye(8)[topic] + chance.normal(scale=0.1, size=(600, 8))).astype(np.float32)
    points, told = map_layout.laid_out(vectors, lambda done, total: steps.append((done, total)))
    assert "UMAP from 300 records" in told and steps[-1] == (600, 600) and np.isfinite(points).all()
    nearest = ((points[:, None] - points[None]) ** 2).sum(2) + np.eye(600) * 9
    assert (topic[nearest.argmin(1)] == topic).mean() > 0.95


def picture(kind: int, number: int) -> Image.Image:
    pixels = np.zeros((40, 50, 3), np.uint8)
    pixels[..., kind] = 200
    return Image.fromarray(pixels + np.random.default_rng(number).integers(0, 40, pixels.shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder: Path = make_tiny_llava(tmp_path_factory.mktemp("tiny") / "llava")
    return load(spec_for(str(folder)), Plan("cpu", "fp32", "none", 0.1, "for a test"))


def fill_pictures(store: Store, name: str = "pictured") -> int:
    """24 records that say the same, on 12 pictures of three colours; the first picture's file is gone, the last record's is broken."""
    shas: list[str | None] = [f"{n % 12:064x}" for n in range(24)]
    for number in range(1, 12):
        path = store.workspace.thumbnail_path(f"{number:064x}")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number % 3, number).save(path, "JPEG")
    shas[-1] = None
    return fill(store, [("Describe it.", "A thing.")] * 24, name, shas)


def test_pictures_tell_records_apart_that_say_the_same(store: Store, loaded: LoadedModel) -> None:
    dataset_id = fill_pictures(store)
    opened = ModelShelf(loader=lambda spec, plan: loaded)
    result = mapping.run(context_of(store, dataset_id, shelf=lambda: opened))
    vectors = result.beside["vectors"]
    assert vectors.shape == (24, 64) and "words and pictures" in result.note
    likeness = vectors @ vectors.T
    kind = np.arange(12) % 3
    same, other = kind[:, None] == kind[None], kind[:, None] != kind[None]
    inside = np.ix_(range(1, 12), range(1, 12))
    assert likeness[:12, :12][inside][same[inside]].mean() > likeness[:12, :12][inside][other[inside]].mean() + 0.2
    np.testing.assert_allclose(vectors[3], vectors[15], atol=1e-6)  # the same picture and words
    assert not vectors[0, 40:].any() and not vectors[23, 40:].any() and vectors[0, :40].any(), "an unreadable picture leaves the words"
    with pytest.raises(ModelError, match="no model shelf"):
        mapping.run(context_of(store, dataset_id))


def test_pictures_beyond_the_sample_are_placed_on_the_same_axes(store: Store, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = fill_pictures(store)
    context = context_of(store, dataset_id)
    whole = map_pictures.picture_rows(context, loaded, 4, "s")
    monkeypatch.setattr(map_pictures, "FITTED", 6)
    monkeypatch.setattr(map_pictures, "AT_ONCE", 4)
    monkeypatch.setattr(map_pictures, "PART", 4)
    sampled = map_pictures.picture_rows(context, loaded, 4, "s")
    assert sampled.shape == whole.shape == (12, 4)
    lengths = np.linalg.norm(sampled, axis=1)
    assert lengths[0] == 0 and np.allclose(lengths[1:], 1, atol=1e-5)
    np.testing.assert_array_equal(sampled, map_pictures.picture_rows(context, loaded, 4, "s"))


def test_the_cost_counts_records_and_pictures(store: Store) -> None:
    small, pictured = fill(store, texts(24)), fill_pictures(store)
    assert mapping.cost(store, small) < mapping.cost(store, pictured) < 60
