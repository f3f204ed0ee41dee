# agentkeys for zsh: completions, and a function for the prompt. In ~/.zshrc, after compinit:
#
#     eval "$(agentkeys hook zsh)"
#
# The prompt stays as it is unless you put the function into it, with single quotes around:
#
#     setopt prompt_subst
#     PROMPT='$(agentkeys_prompt)%# '
#
# It prints such as `data 42m ` with a space at the end, or nothing at all. Its options are those of
# `agentkeys prompt`: RPROMPT='$(agentkeys_prompt --format "[{profile} {left}]")'

agentkeys_prompt() {
    # What comes after it in a prompt may want to show how the last command ended.
    local ended=$? segment
    emulate -L zsh
    segment=$(command agentkeys prompt "$@" 2>/dev/null)
    # In a prompt, what follows a percent sign is an instruction.
    [[ -z $segment ]] || print -rn -- "${segment//\%/%%} "
    return $ended
}

_agentkeys() {
    local line kind word help
    local -a lines offers
    lines=(${(f)"$(command agentkeys hook complete -- \
        "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)"})
    for line in $lines; do
        IFS=$'\t' read -r kind word help <<<"$line"
        case $kind in
            (word) offers+=("${word//:/\\:}${help:+:$help}") ;;
            (program) _agentkeys_program $word; return ;;
        esac
    done
    _describe -V agentkeys offers
}

# Completes another program's line, which begins after that many words.
_agentkeys_program() {
    local ret=1
    compset -n $(($1 + 1))
    # exec runs a script in the current folder by its name.
    ((CURRENT == 1)) && _files -g '*.py' && ret=0
    _normal && ret=0
    return $ret
}

(( ! $+functions[compdef] )) || compdef _agentkeys agentkeys agentkeys-credential-process
