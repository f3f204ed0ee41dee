#!/bin/sh
# A systemctl that writes down what it is asked, in $HOME/asked. The files beside it say how it
# answers: "no-manager", and "active-UNIT" for a unit that runs; "broken" fails what changes things.
echo "$*" >>"$HOME/asked"
[ "$1" = --user ] && shift
case "$1" in
  show-environment) [ ! -e "$HOME/no-manager" ] || { echo "Failed to connect to bus" >&2; exit 1; } ;;
  is-active) [ -e "$HOME/active-$3" ] ;;
  *) [ ! -e "$HOME/broken" ] || { echo "Failed: it is broken" >&2; exit 1; } ;;
esac
