"""All commands behave alike: names of options, exit codes, errors, pipes, completion, speed."""

from __future__ import annotations

import inspect
import json
import os
import resource
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from pipeline.resources import shipped_configs
from tests.calling import app_of
from tests.stages.inspect.fake_run import write_run
from tests.warm import Warm
from xlner.commands import SCRIPTS

COMMANDS = {
    "run_pipeline": "xlner.commands.run:main",
    "run_stage": "xlner.commands.run:main_stage",
    "inspect_labels": "xlner.commands.inspect_labels:main",
    "align_words": "xlner.commands.align_words:main",
    "project_labels": "xlner.commands.project_labels:main",
    "tag_text": "xlner.commands.tag_text:main",
    "export_dataset": "xlner.commands.export_dataset:main",
    "trim_encoder": "xlner.commands.trim_encoder:main",
}
ROOT = Path(__file__).parents[3]


LOADED = (
    *(target.partition(":")[0] for target in COMMANDS.values()),
    "pandas",
    "pipeline.formats.spacy_docbin",
    "rich.progress",
    "stages.inspect.corrections",
    "stages.inspect.pretty",
    "stages.inspect.summary",
    "stages.word_alignment.statistical.aligner",
    "xlner.api",
    "xlner.commands.manage",
    "xlner.trimming.trim",
)
"""Some of what commands load where they need it."""


def write_scripts(folder: Path, python: str | Path) -> Path:
    """Write the console scripts into a folder, as an installer does."""
    for name, target in COMMANDS.items():
        module, _, function = target.partition(":")
        path = folder / name
        path.write_text(
            f"#!{python}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from {module} import {function}\nsys.argv[0] = {name!r}\n{function}()\n"
        )
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the console scripts, which a Python runs that has loaded much."""
    with Warm(*LOADED) as python:
        yield write_scripts(tmp_path_factory.mktemp("bin"), python)


@pytest.fixture(scope="module")
def cold_scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the console scripts as users have them."""
    return write_scripts(tmp_path_factory.mktemp("cold"), sys.executable)


def shell(scripts: Path, line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "100"}
    return subprocess.run(
        ["bash", "-c", line], env=environment, cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "artifacts" / "runs"
    run = write_run(folder, sentences=400, tests=5)
    (run / "config.json").write_text("{}")
    return folder.parents[1]


def processor_seconds(scripts: Path, line: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a line; of the processor, so that they mean the same on a busy machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = shell(scripts, line)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


@pytest.fixture(scope="module")
def quick(cold_scripts: Path) -> float:
    """Half a second, or on a slow processor 2.5 times what the small libraries alone take."""
    libraries = "typer, pydantic, numpy, pyarrow, rich.console"
    line = f"{shlex.quote(sys.executable)} -c 'import {libraries}'"
    return max(
        0.5, 2.5 * statistics.median(processor_seconds(cold_scripts, line)[0] for _ in range(3))
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_quick_and_version_is_there(cold_scripts: Path, name: str, quick: float) -> None:
    seconds, result = processor_seconds(cold_scripts, f"{name} --help")
    assert result.returncode == 0 and "--version" in result.stdout and "-h, --help" in result.stdout
    assert result.stderr == ""
    assert seconds < quick
    version = shell(cold_scripts, f"{name} --version")
    assert version.returncode == 0 and version.stdout.startswith("xlner ")


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_usage(scripts: Path, name: str) -> None:
    result = shell(scripts, f"{name} --no-such-option")
    assert result.returncode == 2
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first.startswith("error: No such option: --no-such-option")
    assert second == f"usage: {name} --help shows what is allowed"


@pytest.mark.parametrize(
    "line",
    [
        "run_pipeline no_such_config",
        "run_stage projekt",
        "run_pipeline --from projekt --dry-run",
        "inspect_labels no_such_run",
        "inspect_labels fake --only nonsense",
        "tag_text model file.txt --format xml",
        "trim_encoder no_such_model -o out",
    ],
)
def test_bad_values_are_told_without_a_traceback(scripts: Path, runs: Path, line: str) -> None:
    result = shell(scripts, line, runs)
    assert result.returncode == 2, result.stderr
    assert result.stdout == "" and result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        "align_words a.txt b.txt -o {}",
        "project_labels a.txt b.txt l.txt -o {}",
        "project_labels a.txt b.txt l.txt -o new.txt --report {}",
        "tag_text model a.txt -o {}",
        "inspect_labels fake --lang de --import a.jsonl -o {}",
        "inspect_labels fake --lang de --export jsonl {}",
    ],
)
def test_what_a_command_reads_is_not_written_over(scripts: Path, runs: Path, line: str) -> None:
    for name in ("a.txt", "b.txt", "l.txt", "a.jsonl"):
        (runs / name).write_text("mine\n", encoding="utf-8")
    (runs / "folder.jsonl").mkdir(exist_ok=True)
    own = "a.jsonl" if "--import" in line else "./a.txt"
    places = {own: "would be lost", "folder.jsonl": "is a folder", "b.txt/x.jsonl": "b.txt: "}
    for place, told in places.items():
        if "--export" in line and place == own:
            continue  # which reads the run alone
        result = shell(scripts, line.format(place), runs)
        assert result.returncode == 2, result.stderr
        assert result.stderr.startswith("error: --") and told in result.stderr
        assert (runs / own).read_text(encoding="utf-8") == "mine\n"


def test_folders_above_an_output_are_made(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Anna sleeps\n", encoding="utf-8")
    line = "align_words a.txt a.txt --aligner statistical -o new/er/links.txt"
    result = shell(scripts, line, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new/er/links.txt").read_text(encoding="utf-8").startswith("0-0")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "align_words a.txt a.txt --aligner statistical > /dev/full",
            "the disk is full: could not",
        ),
        (
            "align_words a.txt a.txt --aligner statistical -o /dev/full",
            "the disk is full: could not write /dev/full;",
        ),
        ("run_pipeline schema > /dev/full", "the disk is full: could not write what comes out"),
        ("inspect_labels fake --all > /dev/full", "the disk is full: could not write what comes"),
        ("inspect_labels fake --export jsonl /proc/self/x", "/proc/self/x: no such file or dir"),
        ("inspect_labels fake --export parquet /proc/self/x.parquet", "Failed to open local file"),
    ],
)
def test_what_cannot_be_written_is_told_without_a_traceback(
    scripts: Path, runs: Path, line: str, told: str
) -> None:
    (runs / "a.txt").write_text("Anna sleeps\n", encoding="utf-8")
    result = shell(scripts, line, runs)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr and f"error: {told}" in result.stderr


def test_a_wrong_file_is_exit_code_1(scripts: Path, runs: Path) -> None:
    result = shell(scripts, "inspect_labels fake --import missing.json -o x.jsonl --lang de", runs)
    assert result.returncode == 1 and result.stderr == "error: missing.json: file not found\n"


@pytest.mark.parametrize(
    "line",
    [
        "inspect_labels fake --all",
        "inspect_labels fake --all --json",
        "inspect_labels fake --all --format conll",
        "inspect_labels fake --summary",
        "run_pipeline schema",
        "run_pipeline --help",
    ],
)
def test_a_reader_that_leaves_early_is_no_error(scripts: Path, runs: Path, line: str) -> None:
    result = shell(scripts, f"set -o pipefail; {line} | head -n 1", runs)
    assert result.returncode == 0, result.stderr
    assert result.stderr == "" and result.stdout.count("\n") == 1


def test_json_and_nothing_else_is_on_standard_output(scripts: Path, runs: Path) -> None:
    for line in ("run_pipeline list", "inspect_labels fake --summary", "run_pipeline schema"):
        result = shell(scripts, line + (" --json" if "schema" not in line else ""), runs)
        assert json.loads(result.stdout), line
    lines = shell(scripts, "inspect_labels fake --lang de --sample 3 --json", runs).stdout
    assert len([json.loads(x) for x in lines.splitlines()]) == 3
    out = shell(scripts, "inspect_labels fake --lang de --export jsonl out.jsonl --json", runs)
    told = json.loads(out.stdout)
    assert told["format"] == "jsonl" and told["sentences"] > 100
    plain = shell(scripts, "inspect_labels fake --lang de --export jsonl out.jsonl", runs)
    assert plain.stdout == "" and plain.stderr.startswith("wrote ")
    line = "inspect_labels fake --lang de --import out.jsonl -o in.conll --json"
    assert json.loads(shell(scripts, line, runs).stdout)["changed"] == 0


def test_init_and_list(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.conll").write_text("Ann B-PER\n\n")
    result = shell(scripts, "run_pipeline init mine --json", tmp_path)
    assert json.loads(result.stdout) == {
        "config": "mine/xlner.yaml",
        "files": [{"split": "train", "lang": "en", "file": "train.conll"}],
        "unused": {},
    }
    again = shell(scripts, "run_pipeline init mine", tmp_path)
    assert again.returncode == 2 and "exists already" in again.stderr
    assert shell(scripts, "run_pipeline mine/xlner.yaml --dry-run", tmp_path).returncode == 0
    (tmp_path / "empty").mkdir()
    empty = shell(scripts, "run_pipeline init empty", tmp_path)
    assert empty.returncode == 2 and "no labelled English training data" in empty.stderr
    empty = shell(scripts, "run_pipeline list", tmp_path)
    assert (empty.stdout, empty.stderr) == ("", "no runs in artifacts/runs\n")
    assert shell(scripts, "run_pipeline list --json", tmp_path).stdout == "[]\n"


def complete(scripts: Path, runs: Path, line: str) -> list[str]:
    """Return what bash offers at the end of ``line``, through the script that we print."""
    name = line.split()[0]
    result = shell(
        scripts,
        f"source <({name} --show-completion bash)\n"
        f"COMP_LINE={line!r}; read -r -a COMP_WORDS <<< {line!r}\n"
        f'[[ {line!r} == *" " ]] && COMP_WORDS+=("")\n'
        f"COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        f"_{name}_completion {name}\n"
        'printf "%s\\n" "${COMPREPLY[@]}"',
        runs,
    )
    assert result.stderr == ""
    return result.stdout.split("\n")[:-1]


@pytest.mark.slow
def test_completion_in_bash(scripts: Path, runs: Path) -> None:
    assert complete(scripts, runs, "tag_text --he") == ["--help"]
    assert complete(scripts, runs, "run_pipeline masa") == ["masakhaner2", "masakhaner2_large"]
    assert complete(scripts, runs, "run_pipeline in") == ["init"]
    assert complete(scripts, runs, "run_pipeline list --js") == ["--json"]
    assert complete(scripts, runs, "run_stage trans") == ["translate"]
    assert complete(scripts, runs, "run_stage translate conll_") == ["conll_large"]
    assert complete(scripts, runs, "run_pipeline conll --from self") == ["self_train"]
    assert complete(scripts, runs, "inspect_labels fa") == ["fake"]
    assert complete(scripts, runs, "inspect_labels fake --only like") == ["likely-wrong"]
    assert complete(scripts, runs, "inspect_labels fake --reason low_s") == ["low_score"]
    (runs / "mine.yaml").write_text("")
    assert "mine.yaml" in complete(scripts, runs, "run_pipeline mi")


@pytest.mark.parametrize("shell_name", ["zsh", "fish", "powershell"])
def test_completion_in_other_shells(scripts: Path, runs: Path, shell_name: str) -> None:
    """By what their scripts ask: zsh, fish and PowerShell themselves may not be here."""

    def offered(line: str) -> str:
        name, last = line.split()[0], "" if line.endswith(" ") else line.split()[-1]
        asked = {
            f"_{name.upper()}_COMPLETE": f"complete_{shell_name}",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_WORD_TO_COMPLETE": last,
        }
        told = " ".join(f"{key}={value!r}" for key, value in asked.items())
        result = shell(scripts, f"env {told} {name}", runs)
        assert result.stderr == ""
        return result.stdout

    assert "masakhaner2_large" in offered("run_pipeline masa")
    assert "init" in offered("run_pipeline in")
    assert "--json" in offered("run_pipeline list --js")
    assert "--set" not in offered("run_pipeline list --")
    assert "likely-wrong" in offered("inspect_labels fake --only like")
    if shell_name == "zsh" and shutil.which("zsh"):
        loaded = (
            "autoload -U compinit; compinit -u -D; "
            'eval "$(run_pipeline --show-completion; true)"; whence -w _run_pipeline_completion'
        )
        (runs / "load.zsh").write_text(loaded)
        told = shell(scripts, "zsh load.zsh", runs).stdout
        assert told == "_run_pipeline_completion: function\n"


def test_the_schema_accepts_every_shipped_config_and_no_typo(scripts: Path, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(shell(scripts, "run_pipeline schema", tmp_path).stdout)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    check = kind(schema)
    for name, path in shipped_configs().items():
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert [e.message for e in check.iter_errors(raw)] == [], name
    for wrong in ({"langauges": ["de"]}, {"train": {"learning_rte": 1}}, {"seeds": "x"}):
        assert [*check.iter_errors(wrong)], wrong


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("align_words a b --gold-base 0", "--gold-base: is for --gold"),
        ("export_dataset fake --private", "--private: is for --push"),
        ("tag_text model a --json --format conll", "--format: does nothing beside --json"),
        ("run_pipeline list --kinds --runs-dir x", "--runs-dir: does nothing beside --kinds"),
        ("inspect_labels fake -o a", "--out: is for --import"),
    ],
)
def test_an_option_that_does_nothing_is_bad_usage(
    scripts: Path, runs: Path, line: str, told: str
) -> None:
    result = shell(scripts, line, runs)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.strip() == f"error: {told}"


def test_what_an_idle_option_names_is_there() -> None:
    from xlner.commands import align_words, export_dataset, inspect_labels, manage, tag_text
    from xlner.commands.options import Idle

    found = 0
    for function in (
        align_words.align_words,
        export_dataset.export_dataset,
        inspect_labels.inspect_labels,
        manage.list_runs,
        tag_text.tag_text,
    ):
        names = {name for p in get_command(app_of(function)).params for name in p.opts}
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            for idle in getattr(parameter.annotation, "__metadata__", ()):
                if isinstance(idle, Idle):
                    found += 1
                    others = {(idle.without or "--json").partition(" ")[0], *idle.beside}
                    assert others <= names, parameter.name
    assert found > 10


WAITING = """
import atexit, sys, time
from xlner.commands.shared import command, reported_errors

def wait():
    atexit.register(exec, "pass", {})  # as libraries do
    with reported_errors():
        print("ready", flush=True)
        time.sleep(60)

command(wait, "wait", "")()
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_says_so_and_ends_loops(sent: signal.Signals) -> None:
    if signal.getsignal(sent) == signal.SIG_IGN:
        pytest.skip(f"{sent.name} is ignored by all that is started here (nohup?)")
    # Bash goes on after Ctrl-C unless the command died of it.
    once = f"{shlex.quote(sys.executable)} -c '{WAITING}'; echo $?"
    loop = f"for n in 1 2; do {once}; done"
    process = subprocess.Popen(
        ["bash", "-c", loop if sent == signal.SIGINT else f"trap : TERM HUP; {once}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, sent)
    out, told = process.communicate(timeout=60)
    assert told == "error: stopped\n"
    assert out == ("" if sent == signal.SIGINT else f"{128 + sent}\n")


SHOWING = """
import sys
from xlner.commands.shared import command, data_stream

def show():
    data_stream().write(sys.stdin.read() + "\\u5317\\u4eac\\n")

command(show, "show", "")()
"""


@pytest.mark.parametrize(
    ("variables", "shown", "told"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, "北京\n", ""),
        ({"PYTHONIOENCODING": "latin-1"}, "", "error: PYTHONIOENCODING: latin-1 has no '北'; "),
        ({"PYTHONIOENCODING": "ascii"}, "", "error: PYTHONIOENCODING: ascii has no "),
    ],
)
def test_data_is_utf_8_whatever_the_locale_is(
    variables: dict[str, str], shown: str, told: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SHOWING],
        cwd=ROOT,
        env=os.environ | variables,
        input=b"",
        capture_output=True,
        check=False,
    )
    error = ended.stderr.decode("unicode_escape" if told else "utf-8")
    assert error.startswith(told) and bool(error) == bool(told)
    assert (ended.stdout.decode(), ended.returncode) == (shown, int(bool(told)))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_empty(closed: str) -> None:
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(SHOWING)} </dev/null {closed}"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == ("" if " >&-" in f" {closed}" else "北京\n")


def test_a_command_that_is_stopped_while_it_loads_shows_no_traceback(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"].keys() == SCRIPTS
    loading = "import os, signal, xlner.commands; os.kill(os.getpid(), signal.SIGINT)"
    for name, told in (("tag_text", False), ("a_program_that_imports_it", True)):
        (tmp_path / name).write_text(loading)
        ended = subprocess.run(
            [sys.executable, tmp_path / name],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert ended.returncode == -signal.SIGINT
        assert ("KeyboardInterrupt" in ended.stderr) == bool(ended.stderr) == told


def test_options_of_the_same_name_are_the_same() -> None:
    from xlner.commands.align_words import align_words
    from xlner.commands.inspect_labels import inspect_labels
    from xlner.commands.project_labels import project_labels
    from xlner.commands.run import run_pipeline, run_stage
    from xlner.commands.tag_text import tag_text

    shared = {
        "--runs-dir",
        "--json",
        "--force",
        "--dry-run",
        "--set",
        "--version",
        "--device",
    }
    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    helps: dict[str, set[str]] = defaultdict(set)
    functions = (run_pipeline, run_stage, inspect_labels, align_words, project_labels, tag_text)
    for function in functions:
        for option in get_command(app_of(function)).params:
            names = tuple(option.opts)
            if names[0].startswith("-"):
                found[max(names, key=len)].add(names)
                helps[max(names, key=len)].add(getattr(option, "help", "") or "")
    assert {name for name, ways in found.items() if len(ways) > 1} == set()
    assert {name for name in shared if len(helps[name]) != 1} == set()
