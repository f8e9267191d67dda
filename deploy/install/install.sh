#!/bin/sh
# Installs, upgrades or removes the Godwit agent on this machine. The gateway serves it, and everything it fetches comes from there:
#
#   curl -fsS --cacert ca.crt https://GATEWAY/install.sh | sh -s -- --token TOKEN --ca-pin PIN
#
# --token TOKEN          of `godwit tokens create`; or --token-file FILE, which other users of this machine do not see
# --ca-pin PIN           SHA-256 of the installation's CA, printed with the token: what the gateway and the registry must show
# --registry HOST:PORT   the registry's enrolment port; default: what the gateway says
# --gateway URL          default: where this script came from
# --uninstall            removes the agent
# -- OPTION...           for `godwit-agent install`: --disk, --exclude-disk, --tag, --no-start and so on
#
# Run again it brings the agent up to date. On Debian and its relatives the .deb is installed, elsewhere the program out of the
# .tar.gz. Nothing is installed that has not the SHA-256 that the gateway tells, and nothing is left of a first run that fails.
set -eu

gateway='@GATEWAY@' registry='@ENROLLMENT@' token='' token_file='' pin='' uninstall='' present=''

say() { printf '%s\n' "install.sh: $*"; }
die() {
  printf '%s\n' "install.sh: $*" >&2
  exit 1
}

need() {
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || die "$command is missing on this machine: install it first"
  done
}

# get NAME FILE [OPTION...]: from the gateway; curl's status.
get() {
  name=$1 file=$2
  shift 2
  curl --fail --silent --show-error --proto '=https' --tlsv1.2 --max-redirs 0 --connect-timeout 20 --retry 3 "$@" \
    --output "$file" "$gateway/install/$name"
}

# What the gateway is verified with: the CA of the pin, else the CAs of this machine. Whom it shows the CA to does not matter: the
# pin says whether it is the right one.
trust() {
  get ca.crt "$work/offered.crt" --insecure || die "$gateway cannot be reached, or offers no installer"
  awk -v folder="$work" '/BEGIN CERTIFICATE/ {count++} count {print > (folder "/ca." count)}' "$work/offered.crt"
  for one in "$work"/ca.[0-9]*; do
    [ -e "$one" ] || die "$gateway offers no CA certificate"
    sum=$(sed '/-----/d' "$one" | base64 -d 2>/dev/null | sha256sum | cut -c1-64)
    if [ "$sum" = "$pin" ]; then cp "$one" "$work/ca.crt"; fi
  done
  [ -e "$work/ca.crt" ] || die "the CA that $gateway offers has not the SHA-256 $pin: a wrong pin, or not your gateway"
  status=0
  get SHA256SUMS "$work/SHA256SUMS" --cacert "$work/ca.crt" 2>"$work/said" || status=$?
  verify="--cacert $work/ca.crt"
  if [ "$status" -eq 60 ]; then # its certificate is of another CA: one that this machine knows?
    verify=''
    get SHA256SUMS "$work/SHA256SUMS" || die "$gateway shows a certificate that neither the CA of the pin nor this machine knows"
  elif [ "$status" -ne 0 ]; then
    cat "$work/said" >&2
    die "$gateway lists no packages"
  fi
}

# fetch PATTERN: the newest file of that name, checked, as $package; fails when there is none.
fetch() {
  package=$(awk '{print $2}' "$work/SHA256SUMS" | grep -E "^$1\$" | sort -V | tail -n 1)
  [ -n "$package" ] || return 1
  # shellcheck disable=SC2086 # two words or none
  get "$package" "$work/$package" $verify || die "$gateway/install/$package cannot be fetched"
  grep -F "  $package" "$work/SHA256SUMS" >"$work/sum"
  (cd "$work" && sha256sum --check --status sum) || die "$package has not the SHA-256 that $gateway tells; nothing was installed"
}

has_package() { command -v dpkg-query >/dev/null 2>&1 && dpkg-query --status godwit-agent >/dev/null 2>&1; }

# Takes a package away that this run brought and that did not get to enrol.
take_back() {
  if [ -z "$present" ] && [ ! -e /var/lib/godwit-agent ] && has_package; then
    dpkg --purge godwit-agent >/dev/null 2>&1 || say "dpkg cannot remove godwit-agent again: see \"dpkg --audit\"" >&2
  fi
}

# Puts the program there; $agent is its path.
place() {
  if command -v dpkg >/dev/null 2>&1 && fetch 'godwit-agent_.*_amd64\.deb'; then
    if has_package; then present=yes; fi
    if ! dpkg --install "$work/$package" >"$work/dpkg.log" 2>&1; then
      cat "$work/dpkg.log" >&2
      take_back
      die "dpkg refused $package"
    fi
    agent=/usr/sbin/godwit-agent
  elif fetch 'godwit-.*agent.*\.tar\.gz'; then
    need tar
    mkdir "$work/tree"
    tar -xzf "$work/$package" -C "$work/tree" || die "$package is no archive"
    agent=$(find "$work/tree" -type f -name godwit-agent | head -n 1)
    [ -n "$agent" ] || die "there is no godwit-agent in $package"
    chmod 0755 "$agent"
  else
    die "$gateway offers no package of the agent: its administrator puts one into the folder of --install-dir"
  fi
  say "$package is here and whole"
}

remove() {
  if [ -x /usr/local/sbin/godwit-agent ]; then /usr/local/sbin/godwit-agent uninstall; fi
  if has_package; then dpkg --purge godwit-agent; fi
  say "the agent is removed"
}

main() {
  while [ $# -gt 0 ]; do
    case $1 in
      --uninstall) uninstall=yes && shift && continue ;;
      --) shift && break ;;
      --token | --token-file | --ca-pin | --registry | --gateway) [ $# -ge 2 ] || die "$1 needs a value" ;;
      *) die "unknown option $1 (options of godwit-agent install stand behind --)" ;;
    esac
    case $1 in
      --token) token=$2 ;;
      --token-file) token_file=$2 ;;
      --ca-pin) pin=$2 ;;
      --registry) registry=$2 ;;
      --gateway) gateway=${2%/} ;;
    esac
    shift 2
  done
  [ "$(id -u)" -eq 0 ] || die "the agent reads whole disks: run this as root (... | sudo sh -s -- ...)"
  if [ -n "$uninstall" ]; then
    remove
    return
  fi
  [ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] || die "there is no agent for $(uname -s) on $(uname -m)"
  [ -n "$token$token_file" ] || die "--token is needed: make one with \"godwit tokens create\""
  [ -n "$registry" ] || die "--registry HOST:PORT is needed (the enrolment port)"
  printf '%s' "$pin" | grep -Eq '^[0-9a-f]{64}$' || die "--ca-pin is needed: 64 hex digits, printed with the token"
  need curl sha256sum base64 awk sed find
  umask 077
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  if [ -z "$token_file" ]; then
    token_file=$work/token
    printf '%s\n' "$token" >"$token_file"
  fi
  trust
  place
  "$agent" install --registry "$registry" --ca-pin "$pin" --token-file "$token_file" "$@" || {
    status=$?
    take_back
    say "this machine was not enrolled; what stands above says why" >&2
    exit "$status"
  }
}

# Nothing runs before all of it has come.
main "$@"
