#!/usr/bin/env bash
# Builds the addon of tfjs-node against a libtensorflow of yours, for `--backend tensorflow`:
#   npm install --no-save --save-prod @tensorflow/tfjs-node@4.22.0 && scripts/link-tensorflow.sh PATH [PACKAGE]
# PATH: the folder `tensorflow` inside a Python TensorFlow 2 (libtensorflow_cc.so.2, libtensorflow_framework.so.2, include),
#       or an unpacked libtensorflow for C (lib/libtensorflow.so.2, lib/libtensorflow_framework.so.2, include).
#       A TensorFlow with CUDA makes the backend run on the GPU.
# PACKAGE: name or folder of the package to build for; default: @tensorflow/tfjs-node-gpu where it is installed, else
#       @tensorflow/tfjs-node. With CUDA take tfjs-node-gpu: `--backend auto` looks for it.
# The library stays where it is; build again after moving it. Linux only: elsewhere the packages bring their own library.
set -euo pipefail

fail() { # what, then what to do
  printf 'link-tensorflow: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

[[ $# -ge 1 && $# -le 2 ]] || fail "got $# arguments, expected PATH [PACKAGE]" "PATH is the folder tensorflow of a Python TensorFlow, or an unpacked libtensorflow: scripts/link-tensorflow.sh \"\$(python3 -c 'import tensorflow; print(tensorflow.__path__[0])')\""
[[ $(uname -s) == Linux ]] || fail "this system is $(uname -s), expected Linux" "npm rebuild @tensorflow/tfjs-node --build-addon-from-source builds it elsewhere."
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[[ -d $1 ]] || fail "there is no folder $1" "Name the folder tensorflow of a Python TensorFlow, or an unpacked libtensorflow."
tensorflow=$(cd "$1" && pwd)

# --- the library and its headers
include=$tensorflow/include
framework=libtensorflow_framework.so.2
if [[ -e $tensorflow/libtensorflow_cc.so.2 ]]; then
  lib=$tensorflow library=libtensorflow_cc.so.2
elif [[ -e $tensorflow/lib/libtensorflow.so.2 ]]; then
  lib=$tensorflow/lib library=libtensorflow.so.2
else
  fail "$tensorflow holds neither libtensorflow_cc.so.2 nor lib/libtensorflow.so.2" "Name the folder tensorflow of a Python TensorFlow 2, or an unpacked libtensorflow 2."
fi
[[ -e $lib/$framework ]] || fail "$lib/$framework is missing beside $library" "The folder is incomplete: install that TensorFlow again."
for header in tensorflow/c/c_api.h tensorflow/c/eager/c_api.h tensorflow/core/platform/ctstring_internal.h; do
  [[ -e $include/$header ]] || fail "the header $include/$header is missing" "The folder is incomplete: install that TensorFlow again, with its include folder."
done

# --- the package
command -v node >/dev/null || fail "there is no node on the PATH" "Install Node 20.11 or newer."
package_folder() { # of a folder, or of a name as m2se would resolve it
  if [[ -e $1/package.json ]]; then
    (cd "$1" && pwd)
  else
    node -p 'require("path").dirname(require.resolve(process.argv[1] + "/package.json", { paths: [process.argv[2]] }))' "$1" "$root" 2>/dev/null
  fi
}
install="npm install --no-save --save-prod @tensorflow/tfjs-node@4.22.0"
if [[ $# -eq 2 ]]; then
  package=$(package_folder "$2") || fail "the package $2 is not installed" "Run: $install"
else
  package=$(package_folder @tensorflow/tfjs-node-gpu || package_folder @tensorflow/tfjs-node) || fail "neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed" "Run: $install"
fi
for source in tfjs_backend.cc tfjs_binding.cc; do
  [[ -e $package/binding/$source ]] || fail "$package/binding/$source is missing" "That is no tfjs-node 4: run $install"
done

# --- the compiler and Node's headers
compiler=${CXX:-g++}
command -v "$compiler" >/dev/null || fail "there is no compiler $compiler" "Install it (Debian: apt-get install g++), or name another in CXX."
version=$(node -p process.versions.node)
headers=
for folder in "$(node -p 'require("path").resolve(process.execPath, "../../include/node")')" /usr/include/node /usr/local/include/node "${XDG_CACHE_HOME:-$HOME/.cache}/node-gyp/$version/include/node"; do
  if [[ -e $folder/node_api.h ]]; then
    headers=$folder
    break
  fi
done
[[ -n $headers ]] || fail "Node's headers (node_api.h) were not found" "Run npx --yes node-gyp install, which brings those of Node $version."

# --- the addon; its Node-API version is the newest that tfjs-node knows, and every Node since 12 has it
addon=$package/lib/napi-v8/tfjs_binding.node
mkdir -p "$(dirname "$addon")"
# The library's own folder is the run path: its CUDA libraries are found relative to it, which links elsewhere would break.
"$compiler" -std=c++17 -O2 -shared -fPIC -DNAPI_VERSION=8 -I"$headers" -I"$package" -I"$include" \
  "$package/binding/tfjs_backend.cc" "$package/binding/tfjs_binding.cc" -o "$addon.new" \
  -L"$lib" -l:"$library" -l:"$framework" -Wl,-rpath,"$lib" || fail "$compiler did not build the addon (its messages are above)" "TensorFlow 2.21's headers need C++17; tried with g++ 12."
mv "$addon.new" "$addon"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! loaded=$(node -p 'require(process.argv[1]).TF_Version' "$addon" 2>"$log"); then
  cat "$log" >&2
  fail "the addon is built, but does not load (Node's message is above)" "Most often a library that TensorFlow needs is missing; ldd $lib/$library names it."
fi
printf 'tfjs-node in %s runs on libtensorflow %s in %s\n' "$package" "$loaded" "$lib"
