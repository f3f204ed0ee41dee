"""`agentkeys hook`: the scripts that a shell reads, and what they ask."""

from __future__ import annotations

from functools import partial

import click

from agentkeys_shell.completions import AnotherProgram, Typed, find_offers, split_line
from agentkeys_shell.hook_script import SHELLS, print_hook

_IN_USE = {
    "bash": 'In ~/.bashrc: eval "$(agentkeys hook bash)"',
    "zsh": 'In ~/.zshrc, after compinit: eval "$(agentkeys hook zsh)"',
    "fish": "In ~/.config/fish/config.fish: agentkeys hook fish | source",
}


@click.group("hook")
def command() -> None:
    """Print what a shell needs for completions and a prompt.

    It completes agentkeys and agentkeys-credential-process, and has a function agentkeys_prompt to
    put into a prompt, which stays as it is otherwise. The top of what is printed says how.
    """


for _shell in SHELLS:
    command.command(
        _shell,
        help=f"Print the hook for {_shell}.\n\n{_IN_USE[_shell]}",
        short_help=f"For {_shell}.",
    )(partial(print_hook, _shell))


@command.command("complete", hidden=True)
@click.option("--line", metavar="LINE", help="The line up to the cursor, instead of WORDS.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- WORDS...]")
def complete(line: str | None, words: tuple[str, ...]) -> int:
    """Print what can come next: for the hooks, and nothing for people.

    WORDS are those up to the cursor, the program's name first, the one being typed last. A line
    each, with TABs: `word`, the word and its help; or `program` and where on the line, or among the
    words, another program's name stands, whose line it is from there on.
    """
    typed = Typed(words, tuple(range(len(words)))) if line is None else split_line(line)
    if len(typed.words) < 2:
        return 0
    found = find_offers(typed.words)
    if isinstance(found, AnotherProgram):
        click.echo(f"program\t{typed.starts[found.first]}")
        return 0
    for offer in found:
        if offer.word.isprintable() and " " not in offer.word:
            click.echo(f"word\t{offer.word}\t{_one_line(offer.help)}")
    return 0


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
