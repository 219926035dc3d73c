#!/bin/sh
# m2se's benchmark on this machine's NVIDIA GPU; needs its driver and glibc 2.34. Where python3 has PyTorch with CUDA the
# same work runs beside it.
#   ./run.sh [--json] [--only NAME] [--backend webgpu:NAME]      ./run.sh --help
cd "$(dirname "$0")" || exit 1

has_gpu() {
  ./node --input-type=module -e '
    import { create } from "webgpu";
    const gpu = create([]);
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    process.exit(adapter === null || adapter.info.isFallbackAdapter ? 1 : 0);' >/dev/null 2>&1
}

# Where the Vulkan loader does not look: containers have the driver's description in other places, or nowhere.
#   has_driver [WORDS for the message]
has_driver() {
  for file in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json /usr/share/vulkan/icd.d/nvidia_icd.json /etc/vulkan/icd.d/nvidia_icd.json "$PWD/nvidia_icd.json"; do
    [ -e "$file" ] || continue
    if VK_DRIVER_FILES=$file has_gpu; then
      export VK_DRIVER_FILES="$file"
      echo "Vulkan driver: $file${1:-}" >&2
      return 0
    fi
  done
  return 1
}

# The driver is there, but not the libraries of others through which it is called.
has_driver_with_glvnd() {
  [ -d glvnd ] || return 1
  export LD_LIBRARY_PATH="$PWD/glvnd${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export __EGL_VENDOR_LIBRARY_FILENAMES="${__EGL_VENDOR_LIBRARY_FILENAMES:-$PWD/glvnd/10_nvidia.json}"
  has_driver ", with this pack's libglvnd"
}

# Those of the named libraries that are not found.
lacking() {
  ./node --input-type=commonjs -e '
    for (const name of process.argv.slice(1)) {
      try { process.dlopen({ exports: {} }, name); }
      catch (error) { if (error.message.startsWith(name + ": cannot open")) console.log(name); }
    }' "$@" 2>/dev/null | tr '\n' ' '
}

say_why() {
  if [ -n "$(lacking libGLX_nvidia.so.0)" ] && [ -n "$(lacking libEGL_nvidia.so.0)" ]; then
    echo "No GPU is found through Vulkan. The driver must have its graphics part (libGLX_nvidia.so.0); containers are given it with NVIDIA_DRIVER_CAPABILITIES=all." >&2
    return
  fi
  names=$(lacking libGLdispatch.so.0 libEGL.so.1 libGLX.so.0 libX11.so.6 libXext.so.6)
  if [ -n "$names" ]; then
    echo "No GPU is found through Vulkan. The driver is here, but lacks ${names% }: libglvnd and X11's libraries, in Debian's packages libegl1 libgl1 libglx0 libopengl0 libx11-6 libxext6." >&2
  else
    echo "No GPU is found through Vulkan, though the driver and the libraries that it calls are here: nvidia-smi says whether the GPU is." >&2
  fi
}

if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && ! has_gpu; then
  has_driver || has_driver_with_glvnd || say_why
fi

exec ./node scripts/bench/main.mjs --backend webgpu "$@"
