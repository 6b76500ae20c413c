"""Holds every command of the documents that asks AWS against what AWS's own models know, and what it looks for in a log against the sources.

    python tests/documents/commands.py

In a block, which is copied whole, a command has all that its operation requires. Within a sentence it may be abbreviated to what the
sentence is about: its service, its operation and the options that it names have to exist, and none has to be there.

Needs botocore, whose models are those of the command line.
"""

import pathlib
import re
import shlex
import sys

import botocore
import botocore.session

# Options of every command, and of those that page.
COMMON = {"output", "query", "region", "profile", "endpoint-url", "max-items", "page-size", "starting-token"}

# Commands that the command line has besides the operations of its services.
CUSTOM = {
    ("logs", "tail"): {"since", "filter-pattern", "follow", "format"},
    ("s3", "rm"): {"recursive"},
    ("configure", None): set(),
    ("cloudformation", "deploy"): {"template-file", "stack-name", "capabilities", "parameter-overrides"},
}

# Members that the command line calls otherwise, because an option of every command has their name.
RENAMED = {("sns", "subscribe", "endpoint"): "notification-endpoint"}

ROOT = pathlib.Path(__file__).parents[2]
SESSION = botocore.session.get_session()


def kebab(name):
    return botocore.xform_name(name, "-")


# A block of code, with its language and its lines.
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)

# Code within a sentence, between as many backticks as it begins with.
INLINE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


def of_blocks(text):
    """Commands of the blocks of a document, each with what follows it after a backslash."""
    for language, block in BLOCK.findall(text):
        if language in {"sh", "text"}:
            for line in block.replace("\\\n", " ").splitlines():
                yield from re.findall(r"(?:^|[|(;]\s*|^\s+)(aws .*)", line)


def of_sentences(text):
    """Commands within the sentences of a document. One may go on after a line's end, and ends with its paragraph."""
    for paragraph in re.split(r"\n\s*\n", BLOCK.sub("\n", text)):
        for _, code in INLINE.findall(paragraph):
            yield from re.findall(r"(?:^|[|(;]\s*)(aws .*)", " ".join(code.split()))


def words(command):
    """Words of a command, up to where the shell begins the next."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|;")
    lexer.whitespace_split = True
    for word in lexer:
        if set(word) <= {"|", ";"}:
            return
        yield word


def faults(command, is_whole):
    _, *names = words(command)
    service, operation = (*[name for name in names if not name.startswith("--")], None, None)[:2]
    options = [name.removeprefix("--").partition("=")[0] for name in names if name.startswith("--")]
    custom = CUSTOM.get((service, operation))
    if custom is not None:
        return [f"no option --{option}" for option in options if option not in custom | COMMON]
    if service not in SESSION.get_available_services():
        return [f"no service {service}"]
    model = SESSION.get_service_model(service)
    names = {kebab(name): name for name in model.operation_names}
    if operation not in names:
        return [f"no operation {operation}"]
    shape = model.operation_model(names[operation]).input_shape
    members = shape.members.items() if shape else []
    members = {RENAMED.get((service, operation, kebab(name)), kebab(name)): member.type_name for name, member in members}
    required = {kebab(name) for name in shape.required_members} if shape else set()
    known = set(members) | {f"no-{name}" for name, kind in members.items() if kind == "boolean"} | COMMON
    missing = required - set(options) if is_whole else set()
    return [f"no option --{option}" for option in options if option not in known] + [f"it lacks --{name}" for name in sorted(missing)]


def main():
    sources = [path.read_text() for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.rs")]
    found, count = [], 0
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        text = path.read_text()
        for command, is_whole in [*((one, True) for one in of_blocks(text)), *((one, False) for one in of_sentences(text))]:
            count += 1
            wrong = faults(command, is_whole)
            # Only what has blanks is a sentence of our own.
            for quoted in re.findall(r'\?"([^"]+)"', command):
                if quoted != "timed out" and not any(quoted in source for source in sources):
                    wrong.append(f"nothing logs {quoted!r}")
            found += [f"{path.relative_to(ROOT)}: {fault}: {command}" for fault in wrong]
    print("\n".join(found) or f"{count} commands of AWS are understood")
    sys.exit(1 if found or not count else 0)


main()
