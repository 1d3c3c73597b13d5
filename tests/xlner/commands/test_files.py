"""How commands read files: encodings, ``--data``, and the options that messages name."""

from __future__ import annotations

import ast
import gzip
import importlib
import io
import json
import pkgutil
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from pipeline.errors import DataError
from pipeline.kinded import JoinedConfig
from tests.calling import called
from xlner import commands
from xlner.commands import align_words, project_labels, tag_text
from xlner.commands.files import Files

ROOT = Path(__file__).parents[3]
# The same in every process, as tests are called after it.
PACKED = gzip.compress(b"Anna\n", mtime=0)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "cp1252"])
def test_links_of_text_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    source, target, plain = (tmp_path / name for name in ("s.txt", "t.txt", "p.txt"))
    lines = "Zürich ist schön .\nAnna kommt .\n" * 3
    for path, code in ((source, encoding), (target, encoding), (plain, "utf-8")):
        path.write_text(lines, encoding=code)
    code, expected, error = called(
        align_words.align_words, plain, plain, "--aligner", "statistical"
    )
    assert code == 0, error
    code, shown, error = called(
        align_words.align_words,
        *(source, target, "--aligner", "statistical", "--encoding", encoding),
    )
    assert (code, shown) == (0, expected), error
    code, _, error = called(align_words.align_words, source, target, "--aligner", "statistical")
    named = re.search(r"\(--data source.encoding=(\S+) on the command line\)", error)
    assert code == 1 and named, error
    assert (named[1] == "utf-16") == (encoding == "utf-16")


def test_labels_of_text_in_another_encoding(tmp_path: Path) -> None:
    source, target, links = (tmp_path / name for name in ("s.conll", "t.txt", "l"))
    source.write_text("René B-PER\nkam O\n\n" * 3, encoding="latin-1")
    target.write_text("René came\n" * 3, encoding="latin-1")
    links.write_text("0-0 1-1\n" * 3, encoding="ascii")
    code, shown, error = called(
        project_labels.project_labels, source, target, links, "--encoding", "latin-1"
    )
    assert code == 0 and shown.count("René\tB-PER") == 3, error


def test_labels_in_a_column_and_a_scheme_that_are_named(tmp_path: Path) -> None:
    source, target, links = (tmp_path / name for name in ("s.conll", "t.txt", "l"))
    source.write_text("Anna PER\nSmith PER\nkam O\n\n" * 3)
    target.write_text("Anna Smith came\n" * 3)
    links.write_text("0-0 1-1 2-2\n" * 3)
    files = (source, target, links)
    named: tuple[str, ...] = ()
    # What errors advise is followed, word for word but for the number of the column.
    for advised, more in (("--data source.tag_column=…", "1"), ("--data source.scheme=io", "")):
        code, _, error = called(project_labels.project_labels, *files, *named)
        assert code == 1 and advised in error.partition("(on the command line: ")[2], error
        named += tuple(advised.replace("…", more).split())
    code, shown, error = called(project_labels.project_labels, *files, *named)
    assert code == 0 and shown.count("Smith\tI-PER") == 3, error
    # The other side has no labels to be read; a key for both goes to both.
    source.write_text("1 Anna N B-PER\n2 Smith N I-PER\n3 kam V O\n\n" * 3)
    files = (source, tmp_path / "t.conll", links)
    files[1].write_text("1 Anna _\n2 Smith _\n3 came _\n\n" * 3)
    named = ("--data", "tag_column=3", "--data", "word_column=1")
    code, shown, error = called(project_labels.project_labels, *files, *named)
    assert code == 0 and shown.count("Smith\tI-PER") == 3, error
    code, _, error = called(
        project_labels.project_labels, *files, *named, "--data", "offsets=words"
    )
    assert code == 1 and error.startswith("error: --data offsets: does nothing for"), error
    assert "s.conll (conll)" in error and "labels not read" in error


TAGGED = "Anna B-PER\nSmith I-PER\nkam O\n\n" * 3


@pytest.mark.parametrize(
    ("name", "text", "given", "said"),
    [
        # Keys that were given need no advice, least of all a value taken from the complaint.
        ("s.conll", TAGGED, ("tag_column=9",), "there is no column 9; rows have 2 columns"),
        (
            "s.conll",
            TAGGED,
            ("word_column=x",),
            "there is no column 'x'; the columns are not named",
        ),
        ("s.conll", TAGGED, ("entity_type=X",), "all tags name a type: remove entity_type"),
        ("a.jsonl", '{"tokens": ["a"], "x": ["O"]}\n', ("tag_column=2",), "name the field instead"),
        (
            "a.jsonl",
            '{"tokens": ["a"], "x": ["O"]}\n',
            ("tag_column=y",),
            "the record has tokens, x",
        ),
        ("s.csv", "sentence,tags\nAnna kam,B-PER O\n", ("tag_column=y",), "are sentence, tags"),
        (
            "s.csv",
            "body,mark\nAnna kam,B-PER O\n",
            ("format=table",),
            "--data source.word_column=…)",
        ),
        (
            "s.csv",
            "text,mark\nAnna kam,B-PER O\n",
            ("format=table",),
            "--data source.tag_column=…)",
        ),
        # Names of files and folders are no advice.
        ("my scheme.conll", TAGGED * 2, (), "line by line"),
        ("set scheme/label_names", TAGGED * 2, ("format=conll",), "line by line"),
    ],
)
def test_errors_advise_what_helps_alone(
    tmp_path: Path, name: str, text: str, given: tuple[str, ...], said: str
) -> None:
    source, target, links = tmp_path / name, tmp_path / "t.txt", tmp_path / "l"
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    target.write_text("Anna Smith came\n" * 3)
    links.write_text("0-0\n" * 3)
    more = [part for key in given for part in ("--data", key)]
    code, _, error = called(project_labels.project_labels, source, target, links, *more)
    assert code == 1 and error.endswith(said), error


@pytest.mark.parametrize("known", [False, True])
def test_text_that_is_conll(tmp_path: Path, known: bool) -> None:
    source, target, links = tmp_path / "s.txt", tmp_path / "t.txt", tmp_path / "l"
    source.write_text("Anna PER\nSmith PER\nkam 0\n\n" * 3)
    target.write_text(("Anna NN\nSmith NN\ncame VB\n\n" if known else "Anna Smith came\n") * 3)
    links.write_text("0-0 1-1 2-2\n" * 3)
    given: tuple[str, ...] = ()
    for advised, more in (
        ("--data source.format=…", "conll"),
        ("--data source.tag_column=…", "1"),
        ("--data source.scheme=io", ""),
    ):
        code, _, error = called(project_labels.project_labels, source, target, links, *given)
        assert code == 1 and advised in error.partition("(on the command line: ")[2], error
        given += tuple(advised.replace("…", more).split())
    if known:  # the other side has no labels, and is not what was named
        code, _, error = called(project_labels.project_labels, source, target, links, *given)
        assert code == 1 and "s.txt (read as conll) has 3 sentences but" in error, error
        assert f"if {target} has a word per line, give its name the suffix .conll" in error
        target = target.rename(target.with_suffix(".conll"))
    code, shown, error = called(project_labels.project_labels, source, target, links, *given)
    assert code == 0 and shown.count("Smith\tI-PER") == 3, error
    source.write_text("[Anna Smith](PER) kam\n" * 3)
    code, _, error = called(project_labels.project_labels, source, target, links)
    assert code == 1 and "entities marked inside it" in error


@pytest.mark.parametrize(
    "name", ["name(x)", "a; b", "x: TAG", 'so "named"', "7", "no", "a=b", "%s", "it's"]
)
def test_advised_names_can_be_pasted(tmp_path: Path, name: str) -> None:
    source, target, links = tmp_path / "s.conll", tmp_path / "t.txt", tmp_path / "l"
    source.write_text(f"word\t{name}\n\nAnna\tB-PER\nkam\tO\n\nBob\tB-PER\nging\tO\n")
    target.write_text("Anna came\n" * 2)
    links.write_text("0-0 1-1\n" * 2)
    code, _, error = called(project_labels.project_labels, source, target, links)
    advice = error.partition("(on the command line: ")[2].removesuffix(")")
    assert code == 1 and "source.tag_column=" in advice, error
    given = shlex.split(advice.replace("=…", "=word"))
    code, shown, error = called(project_labels.project_labels, source, target, links, *given)
    assert code == 0 and "Anna\tB-PER" in shown, error


def test_a_key_for_one_side(tmp_path: Path) -> None:
    source, target, links = (tmp_path / name for name in ("s.conll", "t.conll", "l"))
    source.write_text("1 Anna N B-PER\n2 kam V O\n\n" * 3)
    target.write_text("Anna _ 1\nRené _ 2\n\n" * 3, encoding="latin-1")
    links.write_text("0-0 1-1\n" * 3)
    files = (source, target, links)
    given: list[str] = []
    for advised in ("source.tag_column=3", "target.encoding=latin-1", "target.word_column=0"):
        given += ["--data", advised]
    given += ["--data", "word_column=1"]  # of the other one
    code, shown, error = called(project_labels.project_labels, *files, *given)
    assert code == 0 and shown.count("Anna\tB-PER\nRené\tO") == 3, error
    code, _, error = called(align_words.align_words, source, target, "--aligner", "statistical")
    assert code == 1 and "(--data target.encoding=latin-1 on the command line)" in error, error
    for wrong, said in (
        ("target.scheme=io", "--data target.scheme: does nothing for"),
        ("target.shceme=io", "unknown key '--data target.shceme' (did you mean 'scheme'?)"),
        ("target.limit=2", "--data target.limit: is for configs"),
        ("target=2", "--data target: name a key of it"),
        ("source.scheme=iob3", "--data source.scheme:"),
    ):
        code, _, error = called(project_labels.project_labels, *files, *given, "--data", wrong)
        assert code > 0 and said in error, error
    # One file that stands for both sides is read in two ways.
    code, shown, error = called(
        *(align_words.align_words, source, source, "--aligner", "statistical"),
        *("--data", "source.word_column=1", "--data", "target.word_column=2"),
    )
    assert code == 0 and shown == "0-0 1-1\n" * 3, error


@pytest.mark.parametrize(
    "text", ["{}\nAnna\nkam\n", "id,{}\n1,Anna\n2,kam\n", "{};n\nAnna;1\nkam;2\n"]
)
@pytest.mark.parametrize("name", ["word", "Token", "text"])
def test_a_table_of_words_is_no_running_text(tmp_path: Path, text: str, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text.format(name))
    with pytest.raises(DataError, match="a word per row") as error:
        list(tag_text._read(path, "en", False, Files("utf-8", ())))
    advice = str(error.value).partition("(on the command line: ")[2].removesuffix(")")
    given = Files("utf-8", [part for part in shlex.split(advice) if part != "--data"])
    assert [words for *_, words in tag_text._read(path, "en", False, given)] == [["Anna", "kam"]]
    lines = tag_text._read(path, "en", False, Files("utf-8", ["format=text"]))
    assert [text for _, text, _ in lines] == path.read_text().splitlines()


def test_warnings_say_how_a_command_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, target, links = (tmp_path / name for name in ("s.jsonl", "t.txt", "l"))
    source.write_text('{"text": "100% Annabel kam", "spans": [[5, 9, "PER"]]}\n' * 3)
    target.write_text("Anna came\n" * 3)
    links.write_text("1-0\n" * 3)
    command = (project_labels.project_labels, source, target, links)
    code, _, error = called(*command)
    assert code == 0, error
    advice = "--data source.offsets=… --data source.span_end=…"
    (told,) = caplog.messages
    assert told.endswith(f"set offsets and span_end (on the command line: {advice})")
    code, _, error = called(*command, *shlex.split(advice.replace("…", "auto")))
    assert code == 0 and "on the command line" not in caplog.messages[1], error


def test_keys_are_used_or_refused(tmp_path: Path) -> None:
    pairs, plain, record = (tmp_path / n for n in ("pairs.txt", "t.txt", "s.parquet"))
    pairs.write_text("Anna kam ||| Anna came\n" * 3)
    plain.write_text("René came\n" * 3, encoding="latin-1")
    code, _, error = called(
        *(align_words.align_words, pairs, "--aligner", "statistical", "--data", "format=conll")
    )
    assert code == 1 and error.startswith("error: --data format: does nothing for"), error
    with pytest.raises(DataError, match="--data format: does nothing for -"):
        next(tag_text._read(Path("-"), "en", False, Files("utf-8", ["format=conll"])))
    # An encoding is for files of text; the other side may be none.
    row = {"tokens": ["René", "kam"], "ner_tags": ["B-PER", "O"]}
    pq.write_table(pa.Table.from_pylist([row] * 3), record)
    (tmp_path / "l").write_text("0-0 1-1\n" * 3)
    code, shown, error = called(
        *(project_labels.project_labels, record, plain, tmp_path / "l", "--encoding", "latin-1")
    )
    assert code == 0 and shown.count("René\tB-PER") == 3, error
    with pytest.raises(DataError, match=r"^--encoding: does nothing for .*s\.parquet"):
        next(tag_text._read(record, "en", False, Files("latin-1", ())))


def test_what_is_wrong_far_below_is_advised_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["Anna"]}\n' * 5 + '{"body": "Anna kam"}\n')
    items = tag_text._read(path, "en", False, Files("utf-8", ()))
    with pytest.raises(DataError, match=r"a\.jsonl:6: .*: --data word_column=…\)$"):
        list(items)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("documents=split", "--data documents: is for configs"),
        ("a.b=3", "unknown key '--data a'; allowed: format, scheme"),
        ("tag_column.x=1", "--data tag_column:"),
        ("limit=3", "--data limit: is for configs"),
        ("path=x", "--data path: is for configs"),
        ("shceme=io", "--data shceme"),
        ("scheme=iob3", "--data scheme"),
        ("scheme", "tag_column=2"),
    ],
)
def test_data_that_is_none(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "t").write_text("Anna kam\n")
    for function in (align_words.align_words, tag_text.tag_text):
        code, _, error = called(function, tmp_path / "t", tmp_path / "t", "--data", given)
        assert code == 2 and said in error, error


def test_words_of_a_column_that_is_named(tmp_path: Path) -> None:
    source, target = tmp_path / "s.conll", tmp_path / "t.txt"
    source.write_text("x Anna O\ny kam O\n\n" * 3)
    target.write_text("Anna kam\n" * 3)
    given = (align_words.align_words, source, target, "--aligner", "statistical")
    code, shown, error = called(*given, "--data", "word_column=1")
    assert code == 0 and shown == "0-0 1-1\n" * 3, error
    code, _, error = called(*given, "--data", "scheme=io")
    assert code == 1 and "--data scheme: does nothing for" in error
    files = Files("utf-8", ["word_column=1"])
    assert [words for *_, words in tag_text._read(source, "en", False, files)] == [
        ["Anna", "kam"]
    ] * 3


@pytest.mark.parametrize(
    ("given", "encoding", "expected"),
    [
        (b"caf\xc3\xa9\r\n\nx", "utf-8", ["café", "", "x"]),
        (b"\xef\xbb\xbfAnna\n", "utf-8", ["Anna"]),
        (b"caf\xe9\n", "latin-1", ["café"]),
        ("Anna\nBonn\n".encode("utf-16"), "utf-16", ["Anna", "Bonn"]),
        (b"ok\ncaf\xe9\n", "utf-8", "standard input:2: byte 0xe9 (byte 4 of the line)"),
        (b"a\0b\n", "utf-8", "standard input:1: a binary file"),
        ("Anna\n".encode("utf-16"), "utf-8", "standard input: looks like UTF-16 text"),
        (PACKED, "utf-8", "standard input: packed (gzip): name the file"),
    ],
)
def test_standard_input_is_read_as_files_are(
    monkeypatch: pytest.MonkeyPatch, given: bytes, encoding: str, expected: list[str] | str
) -> None:
    wrong = io.TextIOWrapper(io.BytesIO(given), encoding="ascii", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", wrong)
    texts = (text for _, text, _ in tag_text._read(Path("-"), "en", False, Files(encoding, ())))
    if isinstance(expected, str):
        with pytest.raises(DataError) as error:
            list(texts)
        assert str(error.value).startswith(expected)
    else:
        assert list(texts) == expected


def test_what_files_leave_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    region = {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}
    done: list[dict[str, Any]] = [
        {"annotations": [{"result": [{"type": "labels", "value": region}]}]},
        {"annotations": [{"result": [], "was_cancelled": True}]},
        {"annotations": []},
    ]
    tasks = [{"id": i, "data": {"text": "Anna kam"}} | more for i, more in enumerate(done)]
    source, target, links = tmp_path / "s.json", tmp_path / "t.txt", tmp_path / "l"
    source.write_text(json.dumps(tasks))
    target.write_text("Anna came\n" * 3)
    links.write_text("0-0 1-1\n" * 3)
    told = f"{source}: 1 cancelled tasks left out, 1 tasks without annotation left out"
    code, _, error = called(project_labels.project_labels, source, target, links)
    assert code == 1 and "has 1 sentences" in error and error.endswith(told), error
    target.write_text("Anna came\n")
    links.write_text("0-0 1-1\n")
    code, _, error = called(project_labels.project_labels, source, target, links)
    assert code == 0 and told in error, error
    # Where no labels are read, none need to be there.
    read = tag_text._read(source, "en", False, Files("utf-8", ()))
    assert [name for name, *_ in read] == ["0", "2"]
    assert capsys.readouterr().err == f"{source}: 1 cancelled tasks left out\n"
    source = source.with_suffix(".conll")
    source.write_text("Anna I-PER\nkam O\n\n\n# id = b\n\nBob B-PER\nging I-LOC\n")
    target.write_text("Anna came\n\nBob went\n")
    links.write_text("0-0 1-1\n\n0-0 1-1\n")
    named = ("--data", "scheme=iob2")
    code, _, error = called(project_labels.project_labels, source, target, links, *named)
    assert code == 0 and f"{source}: 2 I- with no B- before it, read as B- 3 sent" in error, error


def strings(tree: ast.AST) -> list[str]:
    """The texts of a module that are no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def options() -> set[str]:
    found: set[str] = set()
    modules = [
        importlib.import_module(f"{commands.__name__}.{found.name}")
        for found in pkgutil.iter_modules(commands.__path__)
    ]
    for function in {f for module in modules for f in vars(module).values() if is_command(f)}:
        app = typer.Typer()
        app.command()(function)
        for parameter in typer.main.get_command(app).params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found | {"--help", "--install-completion", "--show-completion", "--version"}


def is_command(function: Any) -> bool:
    hints = getattr(function, "__annotations__", {})
    return callable(function) and any(
        "typer." in str(h) or "Overrides" in str(h) for h in hints.values()
    )


OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
FILES = (".json", ".jsonl", ".parquet", ".yaml", ".html", ".conll", ".txt", ".csv", ".safetensors")
OF_OTHERS = {"--address", "--models"}  # of ray start, and of a script


def test_every_option_that_a_message_names_exists() -> None:
    known = options()
    named: dict[str, str] = {}
    for package in ("pipeline", "stages", "xlner"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for text in strings(ast.parse(path.read_text(encoding="utf-8"))):
                for option in OPTION.findall(text) if " " in text else ():
                    named.setdefault(option, f"{path.relative_to(ROOT)}: {text[:60]!r}")
    assert len(named) > 10
    unknown = {o: where for o, where in named.items() if o not in known | OF_OTHERS}
    assert not unknown


def test_every_key_that_a_message_names_exists() -> None:
    """``train.select``, ``data.train`` and the like: every dotted key is one of the config."""
    from stages.registry import STAGES

    model = STAGES.config_type()
    sections = set(STAGES.names) | {"data", "models", "labels", "ray"}
    pattern = re.compile(rf"(?<![\w./-])(?:{'|'.join(sorted(sections))})(?:\.[a-z_]+)+(?![\w(/.])")
    wrong: dict[str, str] = {}
    count = 0
    for package in ("pipeline", "stages", "xlner"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for text in strings(ast.parse(path.read_text(encoding="utf-8"))):
                # One word alone is a name in code; file names and modules are no keys.
                for key in pattern.findall(text) if " " in text else ():
                    if key.endswith(FILES):
                        continue
                    count += 1
                    if not exists(model, key.split(".")):
                        wrong.setdefault(key, f"{path.relative_to(ROOT)}: {text[:60]!r}")
    assert count > 30
    # Label Studio's, and a key of earlier versions that is told of.
    assert set(wrong) <= {"data.text", "report.fusion_curve"}


def exists(model: Any, parts: list[str]) -> bool:
    if not parts:
        return True
    fields = getattr(model, "model_fields", {})
    if parts[0] not in fields:
        joined = isinstance(model, type) and issubclass(model, JoinedConfig)
        rest = parts[1:] if joined and model.sections else parts
        return any(exists(o, rest) for o in (model.options_with(parts[0]) if joined else ()))
    return any(exists(kind, parts[1:]) for kind in kinds_in(fields[parts[0]].annotation))


def kinds_in(annotation: Any) -> list[Any]:
    """The models within an annotation; for a mapping by language anything goes below."""
    import typing

    if isinstance(annotation, type):
        return [annotation]
    found = [kind for arg in typing.get_args(annotation) for kind in kinds_in(arg)]
    return found or [annotation]
