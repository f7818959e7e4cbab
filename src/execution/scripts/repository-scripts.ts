/**
 * Shell scripts that use git on the repository of a run. They run in the sandbox as the run's user,
 * since everything in that repository is written by the agent: its settings may name programs, and
 * its files may be links, pipes or garbage.
 */
import { HOME, WORKSPACE } from "#sandbox/sandbox.js";

/** Attributes come from it: the bytes of files pass unchanged, as in the checkpoints of the server. */
const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/**
 * Marks a repository made by Omoi, so that one made by the agent is left alone. Empty until the
 * repository is complete.
 */
export const MARKER_NAME = "omoi";
const MARKER = `${WORKSPACE}/.git/${MARKER_NAME}`;

/** The agent's settings stay in force, except for those that would run programs. */
const COMMON = `
set -u
umask 022
cd ${WORKSPACE} || exit 1
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0
export GIT_GRAFT_FILE=/dev/null GIT_SHALLOW_FILE= GIT_NO_LAZY_FETCH=1 LC_ALL=C
export GIT_DIR=${WORKSPACE}/.git GIT_WORK_TREE=${WORKSPACE}
g() {
  git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 -c maintenance.auto=false \\
    -c core.pager=cat -c core.alternateRefsCommand=: "$@"
}
# git would block at a pipe. The hooks, which are not used, may be links.
special() {
  find .git \\( -type p -o -type l \\) ! -path .git/hooks ! -path '.git/hooks/*' 2> /dev/null | head -n 1
}
`;

/**
 * Makes or updates the repository: the workspace's branch, checked out at its head, and the base
 * branch. Prints a sentence if it cannot. Commits that the branch would lose and the server has not taken
 * get a branch of their own, printed in a line `untaken NAME`. Arguments: the workspace's ref and head, the base ref and
 * its commit (empty if missing), name and email of the author, the number of taken commits, these, and
 * folders of objects.
 */
export const PREPARE = `${COMMON}
own=$1 head=$2 base=$3 base_head=$4 name=$5 email=$6 count=$7; shift 7
taken=
while [ "$count" -gt 0 ]; do taken="$taken $1"; shift; count=$((count - 1)); done
say() { printf '%s\\n' "$1"; exit 0; }
command -v git > /dev/null 2>&1 || {
  # An index without its objects is of no use to a git that is installed later.
  [ ! -f ${MARKER} ] || [ -s ${MARKER} ] || [ -L .git ] || { rm -f .git/index ${MARKER}; rmdir .git 2> /dev/null; }
  say 'git is not installed.'
}
if [ -L .git ] || { [ -e .git ] && [ ! -d .git ]; }; then
  say '.git is not a folder; remove it.'
fi
if [ -d .git ] && [ ! -e ${MARKER} ] && [ -n "$(ls -A .git)" ]; then
  say '.git holds a repository that the agent made itself; remove it to get that of the workspace.'
fi
found=$(special)
[ -z "$found" ] || say "$(printf '%s' "$found" | head -n 1 | cut -c 1-100) is not a regular file; remove it."
broken() { say "git cannot use .git ($(printf '%s' "$1" | head -n 1 | cut -c 1-100)); remove it to get a new one."; }
find .git -name '*.lock' ! -type d -exec rm -f {} + 2> /dev/null
new=
if [ ! -s ${MARKER} ] || [ ! -f .git/HEAD ] || [ ! -f .git/config ] || [ ! -d .git/objects ] || [ ! -d .git/refs ]; then
  new=1
  mkdir -p .git && : > ${MARKER} || broken 'not writable'
  out=$(env -u GIT_DIR -u GIT_WORK_TREE git init -q --template= --initial-branch=main . 2>&1) || broken "$out"
  printf '[core]\\n\\ttrustctime = false\\n\\tcheckStat = minimal\\n' >> .git/config && echo complete > ${MARKER} ||
    broken 'its settings cannot be written'
fi
# Borrowed objects are named by this script alone.
rm -rf .git/commondir .git/shallow .git/info/grafts .git/objects/info/alternates
mkdir -p .git/objects/info && printf '%s\\n' "$@" > .git/objects/info/alternates || broken 'not writable'
out=$(g rev-parse --git-dir 2>&1) || broken "$out"
known=$(g config --local --get-regexp '^user\\.(name|email)$' 2> /dev/null)
case $known in *"user.name "[![:space:]]*) ;; *) g config user.name "$name" ;; esac &&
  case $known in *"user.email "[![:space:]]*) ;; *) g config user.email "$email" ;; esac ||
  broken 'its settings cannot be written'
keep() {
  known=$(for oid in "$head" $base_head $taken; do
    g rev-parse -q --verify "$oid^{commit}" 2> /dev/null | sed 's/^/^/'
  done)
  left=$(printf '%s\\n' "$1" $known | g rev-list --max-count=1 --stdin 2> /dev/null) || left=$1
  [ -n "$left" ] || return 0
  untaken=$own-untaken-$(printf '%s' "$1" | cut -c 1-12)
  out=$(g update-ref -m 'omoi: commits that were not taken' "$untaken" "$1" 2>&1) || broken "$out"
  printf 'untaken %s\\n' "\${untaken#refs/heads/}"
}
old=$(g rev-parse -q --verify "$own^{commit}" 2> /dev/null)
if [ -n "$new" ] || [ "$old" != "$head" ] || [ "$(g symbolic-ref -q HEAD)" != "$own" ]; then
  new=1
  [ -z "$old" ] || keep "$old"
  current=$(g rev-parse -q --verify "HEAD^{commit}" 2> /dev/null)
  [ -z "$current" ] || g symbolic-ref -q HEAD > /dev/null || keep "$current"
  # The files are those of the head: no operation of the last run goes on.
  rm -rf .git/rebase-merge .git/rebase-apply .git/sequencer
  rm -f .git/MERGE_HEAD .git/MERGE_MSG .git/MERGE_MODE .git/CHERRY_PICK_HEAD .git/REVERT_HEAD .git/BISECT_LOG
  out=$({ g update-ref -m 'omoi: head of the workspace' "$own" "$head" && g symbolic-ref HEAD "$own"; } 2>&1) || broken "$out"
fi
if [ -n "$base_head" ] && [ "$base" != "$own" ]; then
  at=$(g rev-parse -q --verify "$base^{commit}" 2> /dev/null)
  # Commits that the agent made on it stay.
  if [ -z "$at" ] || g merge-base --is-ancestor "$at" "$base_head" 2> /dev/null; then
    out=$(g update-ref -m 'omoi: base branch' "$base" "$base_head" 2>&1) || broken "$out"
  fi
fi
if [ -n "$new" ] || [ ! -f .git/index ]; then
  g read-tree --reset "$head" 2> /dev/null || {
    rm -rf .git/index
    out=$(g read-tree "$head" 2>&1) || broken "$out"
  }
  g update-index -q --refresh > /dev/null 2>&1
fi
:
`;

/** Prints the tip of a ref, `-` if it is missing. */
const TIP = `
tip() { g rev-parse -q --verify "$1^{commit}" 2> /dev/null | grep -x '[0-9a-f]\\{40\\}' || echo -; }
`;

/** Prints a pack of what is new in the commits of \`$tips\`. The arguments are commits that are known. */
const PACK = `
revs=$(for oid in $tips; do [ "$oid" = - ] || echo "$oid"; done
  for oid in "$@"; do g cat-file -e "$oid^{commit}" 2> /dev/null && echo "^$oid"; done)
[ -n "$(printf '%s\\n' "$revs" | g rev-list --max-count=1 --stdin)" ] || exit 0
printf '%s\\n' "$revs" | g -c pack.threads=1 -c pack.packSizeLimit=0 -c pack.windowMemory=64m \\
  -c core.bigFileThreshold=16m pack-objects --revs --stdout -q
`;

/**
 * Prints the commits of the workspace's branch and of HEAD (\`-\` if missing) in one line, then a pack
 * of what is new in them. Arguments: the workspace's ref, \`HEAD\` or \`-\` to leave HEAD out, then commits
 * that are known.
 */
export const TAKE = `${COMMON}${TIP}
own=$1 second=$2; shift 2
command -v git > /dev/null 2>&1 && [ -d .git ] && [ ! -L .git ] && [ -e ${MARKER} ] || { echo 'omoi - -'; exit 0; }
[ -z "$(special)" ] || exit 1
branch=$(tip "$own") current=-
[ "$second" = - ] || current=$(tip HEAD)
echo "omoi $branch $current"
tips="$branch $current"
${PACK}`;

/**
 * Like \`TAKE\`, and also prints a commit of the uncommitted files that no branch has: \`-\` without any, and while
 * the agent is in the middle of a rebase or has checked out something else. A folder without the repository of
 * the run has none. Arguments: the workspace's ref, \`HEAD\` if the run has ended or \`-\`, \`files\` or \`-\` to leave
 * the files out, then commits that are known.
 */
export const TAKE_ALL = `${COMMON}${TIP}
own=$1 second=$2 wanted=$3; shift 3
command -v git > /dev/null 2>&1 && [ -d .git ] && [ ! -L .git ] && [ -e ${MARKER} ] || { echo 'omoi - - -'; exit 0; }
[ -z "$(special)" ] || exit 1
branch=$(tip "$own") current=- files=-
[ "$second" = - ] || current=$(tip HEAD)
head=$(tip HEAD)
if [ "$wanted" = files ] && [ "$head" != - ] && { [ "$second" != - ] ||
    { [ "$(g symbolic-ref -q HEAD)" = "$own" ] && [ ! -e .git/rebase-merge ] && [ ! -e .git/rebase-apply ]; }; }; then
  # The agent's own index may be locked, and stays as it is.
  index=.git/omoi-index
  rm -f "$index" "$index.lock"
  cp .git/index "$index" 2> /dev/null
  if GIT_INDEX_FILE=$index GIT_ATTR_SOURCE=${EMPTY_TREE} g add -A > /dev/null 2>&1; then
    tree=$(GIT_INDEX_FILE=$index g write-tree 2> /dev/null)
    if [ -n "$tree" ] && [ "$tree" != "$(g rev-parse -q --verify "$head^{tree}")" ]; then
      files=$(GIT_AUTHOR_NAME=Omoi GIT_AUTHOR_EMAIL=omoi@localhost GIT_COMMITTER_NAME=Omoi \\
        GIT_COMMITTER_EMAIL=omoi@localhost g commit-tree -p "$head" -m 'Uncommitted files' "$tree") || files=-
    fi
  elif [ "$second" != - ]; then
    echo 'git add failed' >&2
    exit 1
  fi
  rm -f "$index" "$index.lock"
fi
echo "omoi $branch $current $files"
tips="$branch $current $files"
${PACK}`;

/** Removes the home that a setup script used, and a repository that it made. */
export const CLEAN_SETUP = `
set -u
find ${HOME} -xdev -mindepth 1 -type d ! -perm -700 -exec chmod u+rwx {} \\; 2> /dev/null
find ${HOME} -xdev -mindepth 1 -delete && rm -rf ${WORKSPACE}/.git
`;

/**
 * Brings tracked files back to the index, and removes untracked ones. Argument: the options of git clean, which keep
 * or remove ignored files.
 */
export const RESTORE_FILES = `${COMMON}
g checkout-index --all --force --quiet && g clean "$1" -e /.git
`;
