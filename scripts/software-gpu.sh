#!/usr/bin/env bash
# A GPU made of software, for the tests: fetches SwiftShader, a Vulkan driver, and the Vulkan loader out of the system's
# packages into a folder, without installing them, and prints the shell's lines with which Dawn finds them there:
#   eval "$(scripts/software-gpu.sh)" && npm run m2se -- doctor
# The tests and the smoke run look into the default folder by themselves.
#   scripts/software-gpu.sh [DIR]        DIR: default .cache/software-gpu
# Needs apt (Debian) and no root; what is there is not fetched again.
set -euo pipefail

packages=(chromium-common libvulkan1)
# The description of the driver, the second, names the first beside it.
files=(libvk_swiftshader.so vk_swiftshader_icd.json libvulkan.so.1)

fail() { # what, then what to do
  printf 'software-gpu: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

[[ $# -le 1 ]] || fail "got $# arguments, expected [DIR]" "DIR is the folder that the driver goes to."
dir=${1:-$(dirname "${BASH_SOURCE[0]}")/../.cache/software-gpu}

is_whole() {
  for file in "${files[@]}"; do [[ -s $dir/$file ]] || return 1; done
}

# The system's lists of packages may be missing or old: then lists of our own are made, which needs no root.
download() {
  local own=(-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
  apt-get download "${packages[@]}" >/dev/null 2>&1 && return
  mkdir -p lists/partial cache/archives/partial
  { apt-get "${own[@]}" update && apt-get "${own[@]}" download "${packages[@]}"; } >&2
}

fetch() {
  [[ $(uname -s) == Linux ]] || fail "this system is $(uname -s), expected Linux" "The tests that need a GPU are left out without it."
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || fail "there is no $tool: the driver comes out of Debian's packages" "Put ${files[*]} into $dir yourself: Chromium has the first two, a Vulkan loader is the last."
  done
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && download) || fail "apt-get did not download ${packages[*]} (its messages are above)" "See to the package sources and the network; Ubuntu has no chromium-common."
  for package in "${packages[@]}"; do dpkg-deb -x "$work/$package"_*.deb "$work/tree"; done
  for file in "${files[@]}"; do
    found=$(find "$work/tree" -name "$file" -print -quit)
    [[ -n $found ]] || fail "neither ${packages[0]} nor ${packages[1]} holds $file" "The packages have changed: dpkg-deb --contents says where the file is now."
    cp -L "$found" "$dir/$file.new" && mv "$dir/$file.new" "$dir/$file"
  done
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
is_whole || fetch
printf 'export VK_DRIVER_FILES=%q\n' "$dir/vk_swiftshader_icd.json"
printf 'export LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$dir"
