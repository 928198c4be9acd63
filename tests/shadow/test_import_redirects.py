"""Whatever way the project was installed, the child imports the copy."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from support.shadow_project import Project, all_passed

from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

PACKAGE = {
    "src/shop/__init__.py": "",
    "src/shop/texts.py": 'PROMPT = "old"\n',
    "src/shop/prompts/__init__.py": "",
    "src/shop/prompts/a.md": "old",
    "src/space/part/__init__.py": 'PROMPT = "old"\n',
}
PATCH = {
    "src/shop/texts.py": b'PROMPT = "new"\n',
    "src/shop/prompts/a.md": b"new",
    "src/space/part/__init__.py": b'PROMPT = "new"\n',
}
TESTS = """
    import importlib.resources, os, subprocess, sys
    from multiprocessing import get_context
    from pathlib import Path
    import pytest
    import shop.texts, space.part

    def test_modules():
        assert shop.texts.PROMPT == "new"
        assert space.part.PROMPT == "new"

    def test_resources():
        assert importlib.resources.files("shop").joinpath("prompts/a.md").read_text() == "new"
        assert (importlib.resources.files("shop.prompts") / "a.md").read_text() == "new"
        assert (Path(shop.__file__).parent / "prompts" / "a.md").read_text() == "new"

    def test_another_process():
        script = "import shop.texts, space.part; print(shop.texts.PROMPT, space.part.PROMPT)"
        done = subprocess.run([sys.executable, "-c", script], cwd="/", capture_output=True, text=True)
        assert done.stdout == "new new\\n", done.stderr

    def read(): return shop.texts.PROMPT

    def test_a_spawned_process():
        with get_context("spawn").Pool(1) as pool: assert pool.apply(read) == "new"

    def test_nothing_comes_from_the_project_itself():
        real = os.environ["REAL_ROOT"]
        files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
        assert [file for file in files if file.startswith(real)] == []
"""

FINDER = """
    import sys
    from importlib.util import spec_from_file_location
    from importlib.machinery import PathFinder
    ROOT = {root!r}
    class Finder:  # as the finders that build back ends put into site-packages for editable installs
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name == "shop":
                return spec_from_file_location(name, f"{{ROOT}}/src/shop/__init__.py",
                                               submodule_search_locations=[f"{{ROOT}}/src/shop"])
            if name == "space":
                return PathFinder.find_spec(name, [f"{{ROOT}}/src"])
    def install(): sys.meta_path.append(Finder)
"""


def add_site(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pth: str) -> None:
    """A site folder whose .pth file holds this line, as an installer leaves it."""
    site = Project(tmp_path / "site").write(
        {
            "sitecustomize.py": "import os, site; site.addsitedir(os.path.dirname(__file__))\n",
            "editable.pth": pth,
            "finder.py": FINDER.replace("{root!r}", repr(str(project.root)))
            .replace("{{", "{")
            .replace("}}", "}"),
        }
    )
    monkeypatch.setenv("PYTHONPATH", f"{site.root}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("REAL_ROOT", str(project.root))


@pytest.mark.parametrize("way", ["path in a .pth file", "finder in a .pth file"])
def test_editable_installs(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    project.write({**PACKAGE, "tests/test_shop.py": TESTS})
    pth = f"{project.root}/src\n" if way.startswith("path") else "import finder; finder.install()\n"
    add_site(project, tmp_path, monkeypatch, pth)
    seen = subprocess.run(
        [sys.executable, "-c", "import shop.texts, space.part; print(shop.texts.PROMPT)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "old\n"
    evaluation = project.evaluate(PATCH)
    assert all_passed(evaluation)
    assert evaluation.loaded_files == sorted(PATCH)
    assert evaluation.notes == []


def test_a_path_that_the_tests_add_themselves(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAL_ROOT", str(project.root))
    project.write({**PACKAGE, "tests/test_shop.py": TESTS})
    project.write(
        {
            "conftest.py": """
                import os, sys
                sys.path.insert(0, os.environ["REAL_ROOT"] + "/src")
                os.environ["PYTHONPATH"] += ":" + os.environ["REAL_ROOT"] + "/src"
            """
        }
    )
    assert all_passed(project.evaluate(PATCH))


def test_a_project_reached_through_a_link(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "current"
    link.symlink_to(project.root)
    project.write({**PACKAGE, "tests/test_shop.py": TESTS})
    add_site(project, tmp_path, monkeypatch, f"{project.root}/src\n")
    with ShadowTree.create(link) as shadow:
        shadow.apply(PATCH)
        assert all_passed(evaluate(shadow, EvaluationRequest()))
    add_site(project, tmp_path, monkeypatch, f"{link}/src\n")
    assert all_passed(project.evaluate(PATCH, args=["-k", "modules or resources"]))


def test_the_project_may_have_a_sitecustomize_of_its_own(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Project(tmp_path / "site").write({"sitecustomize.py": "import sys; sys.customized = 'yes'\n"})
    monkeypatch.setenv("PYTHONPATH", f"{site.root}:{os.environ.get('PYTHONPATH', '')}")
    project.write({"test_site.py": "import sys\ndef test_site(): assert sys.customized == 'yes'\n"})
    assert all_passed(project.evaluate())


def installed_version(name: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in metadata.version(name).split(".")[:2])
    except metadata.PackageNotFoundError:
        return (0,)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["hatchling", "setuptools"])
def test_a_real_editable_install(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    needed = {"pip": (20,), "hatchling": (1, 18), "setuptools": (70, 1)}
    for name in ("pip", backend):
        if installed_version(name) < needed[name]:
            pytest.skip(f"needs {name} >= {'.'.join(map(str, needed[name]))} in this environment")
    requirement, module = {
        "hatchling": ("hatchling", "hatchling.build"),
        "setuptools": ("setuptools", "setuptools.build_meta"),
    }[backend]
    project.write({**PACKAGE, "tests/test_shop.py": TESTS})
    project.write(
        {
            "pyproject.toml": f"""
                [build-system]
                requires = ["{requirement}"]
                build-backend = "{module}"
                [project]
                name = "shop"
                version = "1"
                [tool.hatch.build.targets.wheel]
                packages = ["src/shop", "src/space"]
                [tool.hatch.build]
                dev-mode-dirs = ["src"]
                [tool.setuptools]
                packages = ["shop", "shop.prompts", "space.part"]
                package-dir = {{ shop = "src/shop", "space.part" = "src/space/part" }}
            """
        }
    )
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    site = next(home.glob("lib/python*/site-packages"))
    (site / "outer.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--no-deps", "--no-index", "-e", str(project.root)], check=True
    )
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("REAL_ROOT", str(project.root))
    assert all_passed(project.evaluate(PATCH))
