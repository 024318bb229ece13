"""mcpkit completion: scripts for shells, made from the grammar itself."""

from __future__ import annotations

import argparse

from mcpkit.cli import exits, parser


def run(args: argparse.Namespace) -> int:
    make = {"bash": bash, "zsh": zsh, "fish": fish}[args.shell]
    print(make(parser.build()), end="")
    return exits.OK


def _commands(grammar: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in grammar._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _words(command: argparse.ArgumentParser) -> list[str]:
    """Options of a command, and the fixed choices of its positionals."""
    words: list[str] = []
    for action in command._actions:
        words += action.option_strings or [str(choice) for choice in action.choices or ()]
    return words


def _choices(command: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Values by option, where they are fixed."""
    return {
        action.option_strings[-1]: [str(choice) for choice in action.choices]
        for action in command._actions
        if action.option_strings and action.choices
    }


def bash(grammar: argparse.ArgumentParser) -> str:
    """Completes commands, options, fixed values, and files for the rest."""
    commands = _commands(grammar)
    cases: list[str] = []
    for name, command in commands.items():
        values = [
            f'        {name}:{option}) words="{" ".join(choices)}";;' for option, choices in _choices(command).items()
        ]
        cases += [*values, f'        {name}:*) words="{" ".join(_words(command))}";;']
    body = "\n".join(cases)
    return f"""_mcpkit() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" words
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{" ".join([*commands, "--help", "--version"])}" -- "$current"))
        return
    fi
    case "${{COMP_WORDS[1]}}:$previous" in
{body}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
}}
complete -o filenames -F _mcpkit mcpkit
"""


def zsh(grammar: argparse.ArgumentParser) -> str:
    """zsh runs the bash script through its own compatibility layer."""
    return "autoload -Uz bashcompinit && bashcompinit\n" + bash(grammar)


def fish(grammar: argparse.ArgumentParser) -> str:
    """One line per command and option, with its description."""
    lines: list[str] = []
    commands = _commands(grammar)
    names = " ".join(commands)
    for name, command in commands.items():
        summary = _quoted((command.description or "").rstrip("."))
        lines.append(f"complete -c mcpkit -f -n 'not __fish_seen_subcommand_from {names}' -a {name} -d {summary}")
        for action in command._actions:
            for option in action.option_strings:
                spelling = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                values = f" -x -a {_quoted(' '.join(map(str, action.choices)))}" if action.choices else ""
                help_text = _quoted(action.help or "")
                lines.append(
                    f"complete -c mcpkit -n '__fish_seen_subcommand_from {name}' {spelling}{values} -d {help_text}"
                )
            if not action.option_strings and action.choices:
                values = _quoted(" ".join(map(str, action.choices)))
                lines.append(f"complete -c mcpkit -f -n '__fish_seen_subcommand_from {name}' -a {values}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
