"""From CIFAR-10's archive to records, by the commands, on small files of the real formats."""

from __future__ import annotations

from pathlib import Path

import class_assets
import numpy as np
import pytest
from stages import run

from lethe import similarity
from lethe.data import classes as data
from lethe.errors import LetheError
from lethe.files import read_arrays, sha256_of, write_arrays
from lethe.image_plan import all_classes, class_images, one_target, shard_count, shard_rows
from lethe.judge import classes as judge
from lethe.measure import classes as measure
from lethe.measures import frechet_distance, kernel_distance
from lethe.record import Record, read_records
from lethe.settings.sampling import SamplingSettings
from lethe.shards import read_shards

TARGET = 3
SAMPLING = SamplingSettings(forget_images=2, retain_images=1)
MEASURES = (
    f"--target {TARGET} --minimum-rate 1 --minimum-distance 4 --sampling-forget-images 2 --sampling-retain-images 1"
)
LOOKING = "--inception-front-ends tf1,pytorch --inception-batch 16"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Everything up to the judges' outputs on real images, and on the images of a model and of the base."""
    folder = tmp_path_factory.mktemp("cifar10")
    archive = class_assets.write_archive(folder / "cifar-10-python.tar.gz", class_assets.batches(5))
    class_assets.write_clip(folder / "clip")
    class_assets.write_inception(folder / "inception.pth")
    run(data, f"--train {folder}/train --test {folder}/test --source cifar10 --file {archive} --fingerprint f00")
    run(
        judge,
        f"train --data {folder}/train --held-out {folder}/test --judge {folder}/judge --report {folder}/report "
        "--architecture resnet --width 4 --features 8 --steps 20 --batch 32 --accuracy 0 --device cpu",
    )
    for part in ("train", "test"):
        look(folder, part, f"{LOOKING} --keep-embeddings")
    plans = {"model": one_target(TARGET, 10, SAMPLING), "base": all_classes(10, SAMPLING)}
    for name, plan in plans.items():
        images = class_assets.pictures(plan.conditions, seed=7)
        made = {"sampler": "EDM Heun", "fingerprint": name}
        write_arrays(folder / name, {"images": images, "seeds": plan.seeds, "conditions": plan.conditions}, made)
    look(folder, "model", f"{LOOKING} --distance-images 1 --target {TARGET}")
    look(folder, "base", f"{LOOKING} --distance-images 1")
    return folder


def look(folder: Path, part: str, words: str) -> None:
    given = f"--zero-shot {folder}/clip --inception {folder}/inception.pth"
    run(
        judge,
        f"apply --judge {folder}/judge --images {folder}/{part} --output {folder}/judged_{part} {given} "
        f"--device cpu {words}",
    )


def measured(folder: Path, part: str = "model", more: str = "", judged: str | None = None) -> dict[str, Record]:
    real = f"--real {folder}/judged_train --held-out {folder}/judged_test"
    judged = judged or f"judged_{part}"
    files = " ".join(f"{folder}/{name}" for name in judged.split())
    run(measure, f"--judged {files} {real} --output {folder}/records.csv {MEASURES} {more}")
    return {record.metric: record for record in read_records([folder / "records.csv"])}


def test_each_judge_leaves_its_outputs(place):
    arrays, made = read_arrays(place / "judged_model")
    assert arrays["logits"].shape == (11, 11)
    assert arrays["zero_shot_logits"].shape == (11, 11)
    assert "zero_shot_embeddings" not in arrays
    # Nine other classes, one image each: nothing of the target's two.
    assert arrays["conditions"][arrays["inception_rows"]].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert arrays["inception_tf1"].shape == arrays["inception_pytorch"].shape == (9, 2048)
    assert made["zero_shot"]["sha256"] == sha256_of(place / "clip/model.safetensors")
    assert made["zero_shot"]["sentences"][-1] == "a photo of a random noise"
    assert made["inception"] == {"sha256": sha256_of(place / "inception.pth"), "front_ends": ["tf1", "pytorch"]}
    real, _ = read_arrays(place / "judged_train")
    assert real["zero_shot_embeddings"].shape == (25, 12)
    assert real["inception_rows"].tolist() == list(range(25))
    assert read_arrays(place / "judged_base")[0]["inception_tf1"].shape == (10, 2048)


def test_rates_are_the_zero_shot_judges_and_those_of_the_trained_one_stand_beside(place):
    records = measured(place)
    arrays, made = read_arrays(place / "judged_model")
    own = arrays["conditions"] == TARGET
    for suffix, name in (("", "zero_shot_logits"), ("_classifier", "logits")):
        seen = arrays[name].argmax(1)
        assert records[f"UA{suffix}"].value == np.mean(seen[own] != TARGET)
        assert records[f"RA{suffix}"].value == np.mean(seen[~own] == arrays["conditions"][~own])
    assert records["UA"].judge.startswith("zero-shot CLIP, 11 sentences")
    assert records["UA"].judge_sha256 == made["zero_shot"]["sha256"]
    assert records["UA_classifier"].judge == "cifar10 classifier"
    assert records["RA_classifier"].judge_sha256 == sha256_of(place / "judge")


@pytest.mark.parametrize(("front_end", "suffix"), [("tf1", ""), ("pytorch", "_pytorch")])
def test_distances_are_inceptions(place, front_end, suffix):
    records = measured(place)
    (images, training, unseen) = (read_arrays(place / f"judged_{part}")[0] for part in ("model", "train", "test"))
    name = f"inception_{front_end}"
    stays = training["conditions"] != TARGET
    fid = records[f"FID{suffix}"]
    assert fid.value == pytest.approx(frechet_distance(images[name], training[name][stays], minimum=4), rel=1e-9)
    kept = unseen[name][unseen["conditions"] != TARGET]
    assert fid.control == pytest.approx(frechet_distance(kept, training[name][stays], minimum=4), rel=1e-9)
    released = records[f"FID{suffix}_as_released"]
    assert released.value == pytest.approx(frechet_distance(images[name], training[name], minimum=4), rel=1e-9)
    kernel = kernel_distance(images[name], training[name][stays], minimum=4)
    kid = records[f"KID{suffix}"]
    assert (kid.value, kid.high) == (kernel.value, kernel.value + 1.96 * kernel.standard_error)
    assert fid.features == f"2048 features of Inception, front end {front_end}"
    assert fid.judge_sha256 == sha256_of(place / "inception.pth")
    assert (fid.n, kid.n) == (9, 9)
    assert "FD" not in records


def test_a_kernel_distance_takes_part_of_a_large_set(place):
    part = measured(place, more="--inception-kernel-images 5")
    assert (part["KID"].n, part["KID"].control_n, part["FID"].n) == (5, 5, 9)
    assert part["KID"].reference == "5 of 22 training images of the remaining classes"
    assert part == measured(place, more="--inception-kernel-images 5")


def test_edms_moments_are_a_reference_of_their_own(place):
    training, _ = read_arrays(place / "judged_train")
    class_assets.write_moments(place / "moments.npz", training["inception_tf1"])
    records = measured(place, more=f"--reference {place}/moments.npz")
    assert records["FID_reference"].value == pytest.approx(records["FID_as_released"].value, rel=1e-4)
    assert records["FID_reference"].control == pytest.approx(records["FID_as_released"].control, rel=1e-4)
    assert records["FID_reference"].features == "2048 features of Inception, front end tf1"
    assert sha256_of(place / "moments.npz")[:12] in records["FID_reference"].reference
    spread = np.trace(np.cov(training["inception_tf1"], rowvar=False))
    assert records["FID_reference_check"].value < 1e-3 * spread
    assert records["FID_reference_check"].n == 25
    # The moments of the other front end are told apart by it.
    class_assets.write_moments(place / "other.npz", training["inception_pytorch"])
    other = measured(place, more=f"--reference {place}/other.npz")
    assert other["FID_reference_check"].value > 100 * records["FID_reference_check"].value


def test_the_base_serves_the_target_from_its_set_of_all_classes(place):
    records = measured(place, "base")
    arrays, _ = read_arrays(place / "judged_base")
    conditions = arrays["conditions"][arrays["inception_rows"]]
    training, _ = read_arrays(place / "judged_train")
    stays = training["conditions"] != TARGET
    images = arrays["inception_tf1"][conditions != TARGET]
    expected = frechet_distance(images, training["inception_tf1"][stays], minimum=4)
    assert records["FID"].value == pytest.approx(expected, rel=1e-9)
    assert (records["UA"].n, records["RA"].n) == (2, 9)


def test_distances_across_front_ends_and_weights_are_refused(place):
    training, _ = read_arrays(place / "judged_train")
    arrays, made = read_arrays(place / "judged_model")
    inception = made["inception"] | {"front_ends": ["pytorch"]}
    write_arrays(place / "judged_other", arrays, made | {"inception": inception})
    with pytest.raises(LetheError, match=r"different judges \(inception\)"):
        measured(place, judged="judged_other")
    class_assets.write_moments(place / "named.npz", training["inception_pytorch"], front_end="clean")
    with pytest.raises(LetheError, match="of the front end clean, the images were seen through tf1, pytorch"):
        measured(place, more=f"--reference {place}/named.npz")
    class_assets.write_moments(place / "weights.npz", training["inception_tf1"], weights_sha256="ab" * 32)
    with pytest.raises(LetheError, match="with the weights abababababab"):
        measured(place, more=f"--reference {place}/weights.npz")
    np.savez(place / "empty.npz", mu=np.zeros(2048))
    with pytest.raises(LetheError, match="it has no sigma"):
        measured(place, more=f"--reference {place}/empty.npz")
    (place / "text.npz").write_text("moved")
    with pytest.raises(LetheError, match=r"text\.npz: not a readable npz"):
        measured(place, more=f"--reference {place}/text.npz")


SHARDS = "--inception-front-ends tf1 --inception-batch 4 --zero-shot-batch 4 --distance-images 1"


def sampled(folder: Path, name: str, target: int | None, shard_images: int) -> list[str]:
    """An image set as the sample stage writes it, in shards."""
    settings = SAMPLING.model_copy(update={"shard_images": shard_images})
    plan = class_images(target, 10, settings)
    images, names = class_assets.pictures(plan.conditions, seed=7), []
    for shard in range(shard_count(len(plan.seeds), shard_images)):
        rows = shard_rows(len(plan.seeds), shard, shard_images)
        columns = {"images": images[rows], "seeds": plan.seeds[rows], "conditions": plan.conditions[rows]}
        made = {"stage": "sample", "sampler": "EDM Heun", "fingerprint": "f", "shard": shard, "target": target}
        names.append(f"{name}{shard_images}-{shard}")
        write_arrays(folder / names[-1], columns, made | {"settings": settings.model_dump()})
    return names


def test_records_have_the_same_bytes_whatever_the_shards(place):
    """Of the base's set, from which the target's images are taken; the shards end within every judge's batches."""
    for part in ("train", "test"):
        arrays, made = read_arrays(place / f"judged_{part}")
        inception = made["inception"] | {"front_ends": ["tf1"]}
        write_arrays(place / f"judged_{part}_tf1", arrays, made | {"inception": inception})
    texts = []
    for shard_images in (100, 13):
        names = sampled(place, "any", None, shard_images)
        for name in names:
            look(place, name, SHARDS)
        files = " ".join(f"{place}/judged_{name}" for name in names)
        real = f"--real {place}/judged_train_tf1 --held-out {place}/judged_test_tf1"
        run(measure, f"--judged {files} {real} --output {place}/shards.csv {MEASURES} --fingerprint f")
        texts.append((place / "shards.csv").read_bytes())
    assert len(names) == 2
    assert texts[0] == texts[1]
    assert {"UA", "RA", "UA_classifier", "FID", "KID"} <= {
        record.metric for record in read_records([place / "shards.csv"])
    }
    merged = read_shards([place / f"judged_{name}" for name in names])[0]
    alone = read_shards([place / "judged_any100-0"])[0]
    assert {name: array.tobytes() for name, array in merged.items()} == {n: a.tobytes() for n, a in alone.items()}


def test_a_shard_with_other_images_than_its_own_is_refused(place):
    name = sampled(place, "odd", TARGET, 6)[1]
    arrays, made = read_arrays(place / name)
    for change in ({"shard": 0}, {"target": 2}, {"settings": made["settings"] | {"retain_images": 2}}):
        write_arrays(place / "changed", arrays, made | change)
        with pytest.raises(LetheError, match=r"changed: its 5 images are not those of shard [01] of a set of (11|20)"):
            look(place, "changed", SHARDS)
    write_arrays(place / "changed", arrays, {name: made[name] for name in made if name != "settings"})
    with pytest.raises(LetheError, match="changed: it does not say how it was sampled"):
        look(place, "changed", SHARDS)


def test_too_few_images_for_the_distances_are_refused(place):
    with pytest.raises(LetheError, match="Inception has not looked at 9 of the 18 images"):
        measured(place, "base", more="--sampling-retain-images 2")


def test_near_classes_are_clips(place):
    output = place / "similarity.csv"
    run(similarity, f"--judged {place}/judged_train --output {output} --images-per-class 2 --fingerprint f00")
    found = similarity.read_similarity(output)
    arrays, _ = read_arrays(place / "judged_train")
    means = [arrays["zero_shot_embeddings"][arrays["conditions"] == label][:2].mean(0) for label in range(10)]
    units = np.stack([mean / np.linalg.norm(mean) for mean in means])
    np.testing.assert_allclose(found.cosine, units @ units.T, atol=1e-6)
    assert found.judge == "CLIP"
    assert found.names == class_assets.CLASSES
