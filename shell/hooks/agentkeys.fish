# agentkeys for fish: completions, and a function for the prompt. In ~/.config/fish/config.fish:
#
#     agentkeys hook fish | source
#
# The prompt stays as it is unless you put the function into it:
#
#     function fish_prompt
#         agentkeys_prompt
#         echo '> '
#     end
#
# It prints such as `data 42m ` with a space at the end, or nothing at all. Its options are those of
# `agentkeys prompt`: agentkeys_prompt --format '[{profile} {left}]'

function agentkeys_prompt --description 'How long the credentials last'
    # What comes after it in a prompt may want to show how the last command ended.
    set --local ended $status
    # fish complains of a program that is gone even where nobody wants to hear of it.
    command --query agentkeys
    or return $ended
    set --local segment (command agentkeys prompt $argv 2>/dev/null)
    test -z "$segment"
    or printf '%s ' "$segment"
    return $ended
end

function __agentkeys_complete
    command --query agentkeys
    or return
    set --local words (commandline --cut-at-cursor --current-process --tokenize)
    set --local current (commandline --cut-at-cursor --current-token)
    # One that ends within a quotation cannot be unquoted.
    set --local typed (string unescape -- $current; or string trim --chars='"\'' -- $current)
    for line in (command agentkeys hook complete -- $words "$typed" 2>/dev/null)
        set --local parts (string split --max 2 \t -- $line)
        switch $parts[1]
            case word
                printf '%s\t%s\n' $parts[2] $parts[3]
            case program
                __agentkeys_program $parts[2]
        end
    end
end

# Completes another program's line, which begins after that many words.
function __agentkeys_program --no-scope-shadowing
    set --local before $argv[1]
    if test (count $words) -gt $before
        set --local whole (string escape -- $words[(math $before + 1)..-1]) $current
        complete --do-complete "$whole"
        return
    end
    complete --do-complete "$current"
    # exec runs a script in the current folder by its name.
    for script in $typed*.py
        echo $script
    end
end

complete --command agentkeys --no-files --keep-order --arguments '(__agentkeys_complete)'
complete --command agentkeys-credential-process --no-files --keep-order \
    --arguments '(__agentkeys_complete)'
