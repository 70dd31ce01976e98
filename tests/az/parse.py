"""Parses command lines as az itself does, and runs none: it reads one JSON list of words a line, and prints for each `ok` or why not.

It stops az after parsing, so that one process loads it once. A value `xxx` stands for any: it is accepted where az knows all values.
"""

import contextlib
import io
import json
import sys

from azure.cli.core import get_default_cli
from azure.cli.core.parser import AzCliCommandParser
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS

VALUE = "xxx"


class Parsed(BaseException):
    """Ends an invocation, as no handler of az catches it."""


def stop(*_, **__):
    raise Parsed


def accept(check):
    def checked(self, action, value):
        if value != VALUE or not action.option_strings:
            check(self, action, value)

    return checked


def fail(self, message):
    print(message, file=sys.stderr)
    raise SystemExit(2)


AzCliCommandParser._check_value = accept(AzCliCommandParser._check_value)
# az would search for what could have been meant, which takes seconds
AzCliCommandParser.error = fail
cli = get_default_cli()
cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, stop)
for line in sys.stdin:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.invoke(json.loads(line))
        # only --help and what is not a command end without being parsed
        answer = "ok" if code == 0 else said.getvalue()
    except Parsed:
        answer = "ok"
    except SystemExit as ended:
        answer = "ok" if ended.code in (0, None) else said.getvalue()
    print(json.dumps(answer.strip()), flush=True)
