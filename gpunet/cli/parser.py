"""argparse, which also says what was meant, and the options that several commands share."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from gpunet.cli.fields import nearest_to


class Parser(argparse.ArgumentParser):
    """A parser that proposes the nearest option or choice where it knows no such one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but unknown options are judged by the parser of the command they were given to."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser = getattr(parsed, "parser", self)
            nearest = nearest_to(unknown[0].partition("=")[0], parser._words())
            parser.error(f"unknown {_what(unknown[0])} {unknown[0]!r}.{nearest}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Usage and message on standard error; exit status 2."""
        super().error(message)

    def _words(self) -> list[str]:
        return list(self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            names = [str(choice) for choice in choices]
            message = f"unknown: {value!r}.{nearest_to(value, names)} Choose from {', '.join(names)}."
            raise argparse.ArgumentError(action, message)


def _what(word: str) -> str:
    return "option" if word.startswith("-") else "argument"


def add_command(commands: Any, name: str, module: Any) -> None:
    """Add a command: its module has HELP (one line), EXAMPLE, ``add_options(parser)`` and ``run(arguments)``."""
    parser = commands.add_parser(
        name, help=module.HELP, description=module.__doc__.strip(), epilog=f"example:\n  {module.EXAMPLE}"
    )
    module.add_options(parser)
    parser.add_argument("--debug", action="store_true", help="show where an error arose")
    parser.set_defaults(parser=parser)


def model_name(text: str) -> str:
    """An option's type: a model that there is."""
    from gpunet import models

    if text not in models.names():
        names = models.names()
        raise argparse.ArgumentTypeError(
            f"unknown model {text!r}.{nearest_to(text, names)} Choose from {', '.join(names)}."
        )
    return text


def number_of_at_least(minimum: int) -> Any:
    """An option's type: an integer of at least ``minimum``."""

    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"wanted an integer, got {text!r}") from None
        if value < minimum:
            raise argparse.ArgumentTypeError(f"wanted an integer of at least {minimum}, got {value}")
        return value

    return integer


def size(text: str) -> tuple[int, int]:
    """An option's type: one side of a square, or ROWSxCOLUMNS."""
    parts = text.lower().split("x")
    if len(parts) in (1, 2) and all(part.isdecimal() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[-1])
    raise argparse.ArgumentTypeError(f"wanted a number of pixels such as 28, or rows and columns, 28x32; got {text!r}")


def assignment(text: str) -> tuple[str, Any]:
    """An option's type: KEY=VALUE, the value as in TOML; what is no such value is a text."""
    import tomllib

    key, equals, value = text.partition("=")
    if not (key.strip() and equals):
        raise argparse.ArgumentTypeError(f"wanted KEY=VALUE, got {text!r}")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
