"""Holds every line of the documents that asks AWS against what AWS's own models know, and what it looks for in a log against the sources.

    python tests/documents/commands.py

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
    ("cloudformation", "deploy"): {"template-file", "stack-name", "capabilities", "parameter-overrides"},
}

# Members that the command line calls otherwise, because an option of every command has their name.
RENAMED = {("sns", "subscribe", "endpoint"): "notification-endpoint"}

ROOT = pathlib.Path(__file__).parents[2]
SESSION = botocore.session.get_session()


def kebab(name):
    return botocore.xform_name(name, "-")


def commands(text):
    """Commands of the code in a document, each with what follows it after a backslash."""
    for block in re.findall(r"^```(?:sh|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from re.findall(r"(?:^|[|(;]\s*|^\s+)(aws .*)", line)


def words(command):
    """Words of a command, up to where the shell begins the next."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|;")
    lexer.whitespace_split = True
    for word in lexer:
        if set(word) <= {"|", ";"}:
            return
        yield word


def faults(command):
    _, service, operation, *rest = words(command)
    options = [word.removeprefix("--").partition("=")[0] for word in rest if word.startswith("--")]
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
    missing = required - set(options)
    return [f"no option --{option}" for option in options if option not in known] + [f"it lacks --{name}" for name in sorted(missing)]


def main():
    sources = [path.read_text() for folder in ("functions", "shared") for path in (ROOT / folder).rglob("*.rs")]
    found, count = [], 0
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        for command in commands(path.read_text()):
            count += 1
            wrong = faults(command)
            # Only what has blanks is a sentence of our own.
            for quoted in re.findall(r'\?"([^"]+)"', command):
                if quoted != "timed out" and not any(quoted in source for source in sources):
                    wrong.append(f"nothing logs {quoted!r}")
            found += [f"{path.relative_to(ROOT)}: {fault}: {command}" for fault in wrong]
    print("\n".join(found) or f"{count} commands of AWS are understood")
    sys.exit(1 if found or not count else 0)


main()
