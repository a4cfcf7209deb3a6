"""The pairs that models see: the same test measurements for all, fresh noise in training."""

import gc
import hashlib
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import registry
from bench.component import parse_chain
from bench.datasets import Splits
from bench.errors import BenchError, UsageError
from bench.models.mean import Mean
from bench.operators import Operator
from bench.operators.shared.chain import Chain
from bench.problem import CHUNK, Problem, build_operator, check_size
from bench.runs.evaluation import evaluate


class Noisy(Operator):
    """The image with noise from the generator."""

    def forward(self, x, generator):
        return x + torch.randn(x.shape, generator=generator)


class Same(Operator):
    """The image itself."""

    def forward(self, x, generator):
        return x


def images(count, seed, shape=(1, 4, 5)):
    """Random images; the first pixel of each is its number."""
    pixels = torch.randint(0, 256, (count, *shape), generator=torch.Generator().manual_seed(seed))
    pixels[:, 0, 0, 0] = torch.arange(count) % 256
    return pixels.to(torch.uint8)


def problem(operator=Noisy, seed=0, train=40, test=10):
    """A small problem."""
    return Problem(operator((1, 4, 5)), Splits(images(train, 1), images(test, 2), images(6, 3)), seed)


def training(operator=Noisy, seed=0, truth=True):
    """What a model is given of a small problem."""
    return problem(operator).training(seed, truth)


def build(text, seed=0):
    """The operator of a chain's text form, for colour images of 16x16."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], (3, 16, 16), seed)


def gathered(batches):
    """All measurements and all images of some batches."""
    y, x, _ = zip(*batches, strict=True)
    return torch.cat(y), torch.cat(x)


@pytest.mark.parametrize("test", [1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_every_test_image_comes_once_and_in_order(test):
    """Whatever the number of images, as intensities v / 255."""
    y, x = gathered(problem(Same, test=test).test_batches())
    torch.testing.assert_close(x, images(test, 2) / 255, rtol=0, atol=0)
    assert torch.equal(y, x)


def test_test_measurements_depend_on_the_seed_alone():
    """Neither earlier use of the problem, nor training, nor torch's own generator changes them."""
    first = gathered(problem().test_batches())[0]
    used = problem()
    list(used.training(seed=5).training_batches(7, epoch=3, augment=True))
    list(used.training().validation_batches(5))
    torch.manual_seed(17)
    assert torch.equal(gathered(used.test_batches())[0], first)
    assert torch.equal(gathered(used.test_batches())[0], first)
    assert not torch.equal(gathered(problem(seed=1).test_batches())[0], first)


def test_an_images_noise_depends_on_no_batch(monkeypatch):
    """Its number alone settles it: not how many images there are, and not how many come at a time."""
    many = gathered(problem(test=3 * CHUNK).test_batches())[0]
    assert torch.equal(gathered(problem(test=CHUNK + 7).test_batches())[0], many[: CHUNK + 7])
    monkeypatch.setattr("bench.problem.CHUNK", 5)
    assert torch.equal(gathered(problem(test=3 * CHUNK).test_batches())[0], many)


def test_the_training_seed_changes_training_alone():
    """Order and noise of training hang on it; test measurements on the problem seed."""
    one = problem(seed=3)
    first, second = (gathered(one.training(seed).training_batches(40)) for seed in (0, 1))
    assert not torch.equal(first[1], second[1])
    other = gathered(problem(seed=4).training(0).training_batches(40))
    assert torch.equal(first[0], other[0])


def test_no_test_image_can_be_reached_from_what_a_model_gets():
    """Everything that hangs on it, attribute by attribute, and the memory of every tensor there."""
    one = Problem(Noisy((1, 4, 5)), Splits(*images(60, 1).split([40, 10, 10])))
    test = one.splits.test.images.numpy().tobytes()
    pending, seen = [one.training()], {}
    while pending:
        thing = pending.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType):
            continue
        seen[id(thing)] = thing
        assert thing is not one.splits
        if isinstance(thing, torch.Tensor):
            assert test not in bytes(thing.untyped_storage())
        pending += gc.get_referents(thing) if gc.is_tracked(thing) else []
        pending += vars(thing).values() if hasattr(thing, "__dict__") else []
    assert len([t for t in seen.values() if isinstance(t, torch.Tensor)]) >= 2


def test_without_truth_no_image_comes():
    """Neither in training nor in validation; the measurements are those of the problem with truth."""
    blind, seeing = training(truth=False), training()
    for name, arguments in (("training_batches", (8, 2)), ("validation_batches", (4,))):
        pairs = zip(getattr(blind, name)(*arguments), getattr(seeing, name)(*arguments), strict=True)
        for without, batch in pairs:
            assert torch.equal(without.y, batch.y)
            assert without.x.shape == (0, 1, 4, 5)
            assert without.x.untyped_storage().nbytes() == 0
    with pytest.raises(BenchError, match="without images"):
        next(blind.training_images(4))


def test_training_images_come_in_their_own_order():
    """All of them once: what statistics of the training set rest on."""
    x = torch.cat(list(training().training_images(7)))
    assert torch.equal(x, images(40, 1) / 255)


def test_the_digest_is_that_of_the_measurements():
    """What a record keeps is the SHA-256 over the float32 bytes of all test measurements, in order."""
    shape = (1, 12, 13)
    splits = Splits(images(4, 1, shape), images(CHUNK + 3, 2, shape), images(2, 3, shape))
    task, model = Problem(Noisy(shape), splits), Mean()
    y, _ = gathered(task.test_batches())
    expected = hashlib.sha256(y.numpy().astype("<f4").tobytes()).hexdigest()
    model.fit(task.training())
    _, digest, _ = evaluate(model, task)
    assert digest == expected


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 50), st.integers(0, 5))
def test_an_epoch_has_every_training_image_once(batch_size, epoch):
    """Whatever the batch size; the measurement belongs to the image beside it."""
    y, x = gathered(training(Same).training_batches(batch_size, epoch))
    assert torch.equal(y, x)
    assert sorted((x[:, 0, 0, 0] * 255).round().int().tolist()) == list(range(40))


def test_order_and_noise_are_new_in_every_epoch():
    """And the same for the same epoch and seed."""
    epochs = [gathered(training().training_batches(8, epoch)) for epoch in (1, 2, 1)]
    (y1, x1), (_, x2), (y3, x3) = epochs
    assert torch.equal(y1, y3)
    assert torch.equal(x1, x3)
    assert not torch.equal(x1, x2)
    plain = [gathered(training().training_batches(8, epoch, shuffle=False)) for epoch in (1, 2)]
    assert torch.equal(plain[0][1], images(40, 1) / 255)
    assert not torch.equal(plain[0][0], plain[1][0])


def test_augmentation_mirrors_about_half_of_the_images_before_measuring():
    """Each image or its mirror image, both occur, and the operator sees what the model has to find."""
    y, x = gathered(training(Same).training_batches(40, shuffle=False, augment=True))
    plain = images(40, 1) / 255
    mirrored = [torch.equal(image, before.flip(-1)) for image, before in zip(x, plain, strict=True)]
    kept = [torch.equal(image, before) for image, before in zip(x, plain, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 8 < sum(mirrored) < 32
    assert torch.equal(y, x)


def test_validation_is_the_same_at_every_call():
    """The epoch is chosen by one yardstick, and not by the test images."""
    one = training()
    first, second = gathered(one.validation_batches(4)), gathered(one.validation_batches(4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], images(6, 3) / 255)


def test_noise_of_training_validation_and_test_differs():
    """The three use streams of their own."""
    same = images(10, 1)
    one = Problem(Noisy((1, 4, 5)), Splits(same, same, same))
    model = one.training()
    batches = model.training_batches(10, shuffle=False), model.validation_batches(10), one.test_batches()
    noise = [y - x for y, x, _ in map(next, batches)]
    assert not torch.allclose(noise[0], noise[1])
    assert not torch.allclose(noise[1], noise[2])


def test_validation_is_cut_from_the_training_images():
    """Where a dataset has none: a twentieth, none lost, none twice."""
    made = Problem(Same((1, 4, 5)), Splits(images(40, 1), images(5, 2)))
    parts = torch.cat([made.splits.train.images, made.splits.validation.images])
    assert len(made.splits.validation) == 2
    assert sorted(parts[:, 0, 0, 0].tolist()) == list(range(40))


def test_one_training_image_is_too_few():
    """There has to be one to choose by."""
    with pytest.raises(UsageError, match="1 training image is too few"):
        Problem(Same((1, 4, 5)), Splits(images(1, 1), images(5, 2)))


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (lambda x: x[:1], r"\(1, 1, 4, 5\) of two"),
        (lambda x: x.sum(), r"\(\) of two"),
        (lambda x: x.double(), r"torch.float64"),
        (lambda x: x.numpy(), "ndarray"),
        (lambda x: None, "NoneType"),
    ],
)
def test_an_operator_that_breaks_its_contract(result, said):
    """It is named, with what it returned and what it should."""

    class Broken(Operator):
        def forward(self, x, generator):
            return result(x)

    with pytest.raises(BenchError, match=rf"Broken.forward must return .*, not .*{said}"):
        next(training(Broken).training_batches(8))


def test_chains_are_built_from_left_to_right():
    """Each operator gets the measurement shape of the one before it, and the run's seed."""
    chain = build("xor_ctr+noise:sigma=0.01", 5)
    assert isinstance(chain, Chain)
    assert chain.parts[1].image_shape == chain.parts[0].measurement_shape == (12, 16, 16)
    other = build("xor_ctr", 6)
    assert chain.settings()["key"] != other.settings()["key"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("noise:sigma=-1", "sigma.*-1"), ("xor_ctr:key=abc", "key"), ("nothing", "unknown operator 'nothing'")],
)
def test_an_operator_that_refuses_its_parameters(text, message):
    """What the constructor raises becomes a message with the operator's name."""
    with pytest.raises(UsageError, match=message):
        build(text)


def test_images_too_small():
    """The message says how small they are and what is needed."""
    check_size((3, 16, 16), 16, "unet")
    with pytest.raises(UsageError, match=r"unet needs images of at least 16x16 pixels; these are 8x64"):
        check_size((3, 8, 64), 16, "unet")
