"""GitHub's workflows: valid, modest in what they may do, and with the commands of tasks.py."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tasks

WORKFLOWS = sorted((Path(tasks.__file__).parent / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def text(request):
    return request.param.read_text("utf-8")


@pytest.fixture
def workflow(text):
    # YAML 1.1 reads the key `on` as True.
    return yaml.load(text, Loader=yaml.BaseLoader)


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_three_are_there():
    assert {path.stem for path in WORKFLOWS} == {"ci", "newest", "pages"}


def test_schema():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*check, "vendor.github-workflows", *map(str, WORKFLOWS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_task_exists(text):
    used = re.findall(r"tasks\.py(?: --here)? (\w+)", text)
    assert used
    assert set(used) <= set(tasks.TASKS)


def test_every_action_is_githubs_own_with_a_major_version(workflow):
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@v\d+", action)] == []


def test_permissions_are_least(workflow):
    assert workflow["permissions"] == {}
    granted = [job["permissions"] for job in workflow["jobs"].values()]
    reading, deploying = {"contents": "read"}, {"pages": "write", "id-token": "write"}
    assert [grant for grant in granted if grant not in (reading, deploying)] == []


def test_a_run_ends_and_does_not_pile_up(workflow):
    assert set(workflow["concurrency"]) == {"group", "cancel-in-progress"}
    assert all(int(job["timeout-minutes"]) <= 60 for job in workflow["jobs"].values())


def test_no_index_is_named(text):
    assert re.search(r"TORCH_INDEX_URL: \$\{\{ vars\.TORCH_INDEX_URL \}\}", text)
    assert re.findall(r"https?://", text) == []


def test_ci_covers_what_is_promised():
    path = next(path for path in WORKFLOWS if path.stem == "ci")
    jobs = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)["jobs"]
    assert jobs["test"]["strategy"]["matrix"] == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.13"],
    }
    runs = [step["run"] for step in jobs["book"]["steps"] if "run" in step]
    assert [runs[0], runs[-1]] == ["python tasks.py book --fresh", "python tasks.py browser"]
