"""deepinv's physics by name: each keeps the contract or is refused, and computes what deepinv does."""

import inspect
import os
import subprocess
import sys

import deepinv
import pytest
import torch

from bench import registry, testing
from bench.component import parse_chain
from bench.deepinv import named_operators as operators
from bench.deepinv.layout import Layout, forked
from bench.errors import UsageError
from bench.problem import build_operator

SMALL = ((1, 16, 16), (3, 16, 16), (1, 15, 13), (3, 12, 8))
BASES = deepinv.physics.Physics, deepinv.physics.NoiseModel
ALL = sorted(
    name
    for name, thing in vars(deepinv.physics).items()
    if inspect.isclass(thing) and issubclass(thing, BASES)
)


def made(text, shape=(1, 16, 16), seed=0):
    """The operator that a text names."""
    return build_operator([part.checked(registry.operators) for part in parse_chain(text)], shape, seed)


@pytest.mark.parametrize("name", ALL)
def test_the_table(name, record_property):
    """Every physics and noise model of deepinv passes ``bench check`` or is refused with a reason."""
    if name in operators.refused:
        with pytest.raises(UsageError, match=f"deepinv.{name}: ") as refusal:
            registry.operators.load(f"deepinv.{name}")
        line = "refused: " + str(refusal.value).partition(": ")[2]
    else:
        checks = testing.check_operator(f"deepinv.{name}", SMALL)
        testing.require(checks)
        line = "passed"
    record_property("table", (deepinv.__version__, "physics", name, line))


def test_nothing_is_untested():
    """Names of the table are deepinv's names, each once."""
    assert sorted([*operators.members(), *operators.refused]) == ALL


@pytest.mark.parametrize(
    "text",
    [
        "deepinv.Blur:filter=motion,size=7,padding=valid",
        "deepinv.Blur:filter=diffraction,size=9",
        "deepinv.BlurFFT:filter=gaussian,sigma=1.5",
        "deepinv.BlurFFT:filter=bicubic",
        "deepinv.Downsampling:filter=gaussian,factor=4",
        "deepinv.Inpainting:mask=0.3,pixelwise=false",
        "deepinv.MRI:mask=equispaced,acceleration=2,center_fraction=0.2",
        "deepinv.MRI:mask=random",
        "deepinv.MultiCoilMRI:coils=3,mask=polynomial",
        "deepinv.SinglePixelCamera:m=32,fast=false",
        "deepinv.SpatialUnwrapping:threshold=0.5,mode=floor",
        "deepinv.Tomography:angles=9,circle=true,normalize=false",
        "deepinv.Tomography:angles=9,fan_beam=true",
        "deepinv.CompressiveSpectralImaging:mode=sd,shear_dir=w",
        "deepinv.Blur+deepinv.PoissonNoise:gain=0.1",
        "deepinv.MRI+noise:sigma=0.1",
    ],
)
def test_parameters_keep_the_contract(text):
    """What text can set leads to operators that keep the contract too."""
    testing.require(testing.check_operator(text, ((3, 16, 16), (1, 16, 16))))


def test_it_computes_what_deepinv_computes():
    """The blurred image is deepinv's, with the filter of its own function."""
    x = torch.rand(2, 3, 16, 16)
    filter = deepinv.physics.functional.gaussian_blur(psf_size=None, sigma=(2.0, 2.0))
    theirs = deepinv.physics.Blur(filter, padding="circular")(x)
    ours = made("deepinv.Blur:filter=gaussian,sigma=2", (3, 16, 16)).forward(x, torch.Generator())
    assert torch.equal(ours, theirs)


def test_spectra_of_colour_images_are_deepinv_s():
    """Channels go one by one through a physics of complex images, and come out in their order."""
    x = torch.rand(2, 3, 16, 16)
    operator = made("deepinv.MRI", (3, 16, 16))
    y = operator.forward(x, torch.Generator())
    physics = operator.physics(torch.device("cpu"))
    for channel in range(3):
        single = torch.stack([x[:, channel], torch.zeros_like(x[:, channel])], 1)
        assert torch.allclose(y[:, channel], physics.A(single))


def test_complex_images_keep_their_phase():
    """A complex image measured in full comes back whole."""
    operator = made("deepinv.MRI:acceleration=1", (2, 16, 16))
    operator.image_dtype = torch.complex64
    x = torch.randn(3, 2, 16, 16, dtype=torch.complex64)
    assert torch.allclose(operator.adjoint(operator.forward(x, torch.Generator())), x, atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("folded", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_layouts_go_back(several, folded, dtype):
    """Complex and list-valued measurements come back to the bit; the laid-out form is real."""
    whole = torch.randn(2 * folded, 2, 4, 3, dtype=dtype)
    y = deepinv.utils.TensorList([whole, torch.randn(2 * folded, 5)]) if several else whole
    layout = Layout.of(y, folded)
    packed = layout.pack(y)
    assert packed.dtype == torch.float32
    assert len(packed) == 2
    back = layout.unpack(packed)
    pairs = zip(list(back), list(y), strict=True) if several else [(back, y)]
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["GaussianNoise", "GammaNoise", "FisherTippettNoise", "PoissonNoise"])
def test_global_random_state_is_left_alone(name):
    """Noise hangs on the generator alone, of models that ignore one too."""
    operator, x = made(f"deepinv.{name}"), torch.rand(2, 1, 16, 16) + 0.1
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(operator.forward(x, torch.Generator().manual_seed(5)))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*results)
    assert not torch.equal(results[0], operator.forward(x, torch.Generator().manual_seed(6)))


@pytest.mark.parametrize("name", operators.members())
def test_construction_leaves_the_global_state_alone(name):
    """Masks and matrices hang on the seed; with another seed random ones differ."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    shape = (3, 16, 16)
    first, again = (made(f"deepinv.{name}", shape) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    x = torch.rand(1, *shape)
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    ys = [o.forward(x, g) for o, g in zip((first, again), generators, strict=True)]
    assert torch.equal(*ys)
    if name in ("CompressedSensing", "Inpainting", "StructuredRandom", "SpaceVaryingBlur"):
        other = made(f"deepinv.{name}", shape, seed=1)
        assert not torch.equal(other.forward(x, torch.Generator()), ys[0])


def test_noise_laws():
    """Mean and variance are those of the law: Gamma of mean x and variance x^2 / l (deepinv's docs)."""
    x = torch.full((1, 1, 300, 300), 0.5)
    y = made("deepinv.GammaNoise:l=4", (1, 300, 300)).forward(x, torch.Generator().manual_seed(0))
    assert y.mean().item() == pytest.approx(0.5, rel=0.01)
    assert y.var().item() == pytest.approx(0.25 / 4, rel=0.03)
    poisson = made("deepinv.PoissonNoise:gain=0.25", (1, 300, 300))
    y = poisson.forward(x, torch.Generator().manual_seed(0))
    assert y.std().item() == pytest.approx(float(poisson.deviation(x).mean()), rel=0.02)


def test_own_noise_unless_another_is_named():
    """deepinv.Denoising is an identity with its noise behind it; a noise named after it takes its place."""
    assert made("deepinv.Denoising:sigma=0.2").parts[1].gaussian == pytest.approx(0.2)
    assert made("deepinv.Denoising+noise:sigma=0.3").parts[-1].gaussian == pytest.approx(0.3)
    assert len(made("deepinv.Denoising+noise:sigma=0.3").parts) == 2


@pytest.mark.parametrize(
    "name", ["Blur", "Downsampling", "StructuredRandom", "MRI", "MultiCoilMRI", "Pansharpen"]
)
def test_an_iterative_pseudo_inverse_is_none(name):
    """What is iterated, or fills with zeros, has no closed form, so that it is never a ceiling."""
    operator = made(f"deepinv.{name}", (3, 16, 16))
    assert not operator.can("inverse")
    with pytest.raises(NotImplementedError, match="iterative"):
        operator.inverse(torch.zeros(1, *operator.measurement_shape))


@pytest.mark.parametrize("name", ["Inpainting", "Decolorize", "CompressedSensing", "BlurFFT"])
def test_closed_form_inverses_are_pseudo_inverses(name):
    """A A+ A x = A x, the first of Penrose's conditions."""
    operator = made(f"deepinv.{name}", (3, 16, 16))
    y = operator.forward(torch.rand(2, 3, 16, 16), torch.Generator())
    assert torch.allclose(operator.forward(operator.inverse(y), torch.Generator()), y, atol=2e-3)
    assert not operator.exact_inverse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deepinv.Blurr", r"unknown operator 'deepinv.Blurr'\. Did you mean deepinv.Blur"),
        (
            "deepinv.Scattering",
            "receivers and transmitters, tensors of positions, cannot be text; write a file",
        ),
        ("deepinv.Blur:filter=motoin", "filter=motoin: input should be 'gaussian', 'motion'"),
        ("deepinv.Blur:filer=motion", "did you mean filter"),
        ("deepinv.Inpainting:mask=half", "mask=half: input should be a valid number"),
        ("deepinv.Demosaicing", "takes colour images"),
        ("deepinv.SinglePixelCamera:m=0", "m must be at least 1, not 0"),
        ("deepinv.Ptychography:positions=7", "perfect square"),
    ],
)
def test_bad_input(text, message):
    """One message that says what would be right."""
    with pytest.raises(UsageError, match=message):
        made(text)


@pytest.mark.parametrize(
    ("version", "message"), [(None, "deepinv is not installed; pip install"), ("0.3.7", "0.3.7 is installed")]
)
def test_deepinv_missing_or_of_another_version(monkeypatch, version, message):
    """The name is known, and the message says what to install."""
    import importlib.metadata

    def found(name):
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", found)
    for room, name in ((registry.operators, "Blur"), (registry.models, "DPIR")):
        with pytest.raises(UsageError, match=message):
            room.load(f"deepinv.{name}")
        with pytest.raises(UsageError, match=message):
            room.check(f"deepinv.{name}")


@pytest.mark.parametrize("version", ["", "0.3.7"])
def test_as_a_user_meets_it(tmp_path, version):
    """Without deepinv, or with another version, each command says what to install; lists go on."""
    hidden = (
        "import importlib.metadata, sys\nfrom importlib.machinery import PathFinder\n"
        "version, found, spec = importlib.metadata.version, {!r}, PathFinder.find_spec\n"
        "def other(name):\n"
        "    if name == 'deepinv' and not found:\n"
        "        raise importlib.metadata.PackageNotFoundError(name)\n"
        "    return found if name == 'deepinv' else version(name)\n"
        "def find(name, path=None, target=None):\n"
        "    return None if name == 'deepinv' and not found else spec(name, path, target)\n"
        "importlib.metadata.version, PathFinder.find_spec = other, find\n"
    )
    (tmp_path / "sitecustomize.py").write_text(hidden.format(version))
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    def bench(line):
        done = subprocess.run(
            [sys.executable, "-m", "bench", *line.split()], env=os.environ | {"PYTHONPATH": path},
            capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        return done.returncode, done.stdout, " ".join(done.stderr.split())

    what = f"deepinv {version} is installed" if version else "deepinv is not installed"
    for line in (
        "run -o deepinv.Blur -m unet",
        "run -o ct -m deepinv.DPIR",
        "list deepinv",
        "check deepinv.Blur",
    ):
        code, told, said = bench(line)
        assert (code, told) == (2, "")
        assert said.startswith(f"error: {what}")
        assert said.endswith('pip install "invbench[deepinv]"')
    code, told, said = bench("list operators")
    assert (code, said) == (0, "")
    assert "deblurring" in told
    assert ("deepinv.Blur" in told) == bool(version)


def test_a_file_of_about_ten_lines(tmp_path):
    """What the refusal advises works: a physics with tensors of one's own."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import deepinv\n"
        "import torch\n"
        "from bench.deepinv.operators import PhysicsOperator\n\n\n"
        "class Mine(PhysicsOperator):\n"
        '    """Two physics in a list."""\n\n'
        "    def make(self, generator):\n"
        "        mask = (torch.rand(self.image_shape, generator=generator) > 0.5).float()\n"
        "        one = deepinv.physics.Inpainting(self.image_shape, mask)\n"
        "        return deepinv.physics.stack(one, deepinv.physics.Blur(torch.ones(1, 1, 3, 3) / 9))\n"
    )
    testing.require(testing.check_operator(str(path), ((1, 16, 16), (3, 12, 8))))


def test_forked_gives_one_stream_per_generator():
    """Blocks with generators of one state draw the same, and the outside does not move."""
    before = torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with forked(torch.Generator().manual_seed(4)):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_code_of_a_member_counts():
    """The adapter's files and deepinv's version are part of what a run is named by."""
    assert registry.operators.digest("deepinv.Blur") != registry.operators.digest("ct")
