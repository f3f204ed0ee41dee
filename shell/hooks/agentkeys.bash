# shellcheck shell=bash
# agentkeys for bash: completions, and a function for the prompt. In ~/.bashrc:
#
#     eval "$(agentkeys hook bash)"
#
# The prompt stays as it is unless you put the function into it, with single quotes around:
#
#     PS1='$(agentkeys_prompt)\$ '
#
# It prints such as `data 42m ` with a space at the end, or nothing at all. Its options are those of
# `agentkeys prompt`: PS1='$(agentkeys_prompt --format "[{profile} {left}]")\$ '

agentkeys_prompt() {
    # What comes after it in a prompt may want to show how the last command ended.
    local ended=$? segment
    segment=$(command agentkeys prompt "$@" 2>/dev/null)
    [[ -z $segment ]] || printf '%s ' "$segment"
    return "$ended"
}

_agentkeys() {
    local line=${COMP_LINE:0:COMP_POINT} kind word typed program=
    COMPREPLY=()
    # Of a word such as --profile=data bash replaces only what is behind the last equals sign.
    typed=${line##*[[:space:]]}
    if [[ $COMP_WORDBREAKS == *=* && $typed == *=* ]]; then
        typed=${typed%=*}=
    else
        typed=
    fi
    while IFS=$'\t' read -r kind word _; do
        case $kind in
            word) COMPREPLY+=("${word#"$typed"}") ;;
            program) program=$word ;;
        esac
    done < <(command agentkeys hook complete --line "$line" 2>/dev/null)
    [[ -z $program ]] || _agentkeys_program "${line:0:program}"
}

# Completes another program's line, which begins after $1.
_agentkeys_program() {
    local before=$1 first=0 typed name
    # bash has cut the words up at every = and : as well.
    while [[ $before == *[![:space:]]* ]] && ((first < COMP_CWORD)); do
        before=${before#"${before%%[![:space:]]*}"}
        before=${before#"${COMP_WORDS[first]}"}
        first=$((first + 1))
    done
    if ((first < COMP_CWORD)); then
        if declare -F _comp_command_offset >/dev/null; then
            _comp_command_offset "$first"
        elif declare -F _command_offset >/dev/null; then
            _command_offset "$first"
        else
            compopt -o default 2>/dev/null
        fi
        return
    fi
    compopt -o filenames 2>/dev/null
    typed=${COMP_WORDS[COMP_CWORD]}
    while IFS= read -r name; do
        COMPREPLY+=("$name")
    done < <(
        {
            compgen -c -- "$typed"
            compgen -d -- "$typed"
            # exec runs a script in the current folder by its name.
            compgen -f -X '!*.py' -- "$typed"
        } | sort -u
    )
}

complete -F _agentkeys agentkeys agentkeys-credential-process
