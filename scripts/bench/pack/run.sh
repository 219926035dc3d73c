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
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && ! has_gpu; then
  for file in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json /usr/share/vulkan/icd.d/nvidia_icd.json /etc/vulkan/icd.d/nvidia_icd.json "$PWD/nvidia_icd.json"; do
    [ -e "$file" ] || continue
    if VK_DRIVER_FILES=$file has_gpu; then
      export VK_DRIVER_FILES="$file"
      echo "Vulkan driver: $file" >&2
      break
    fi
  done
  [ -n "${VK_DRIVER_FILES:-}" ] || echo "No GPU is found through Vulkan. The driver must have its graphics part (libGLX_nvidia.so.0); containers are given it with NVIDIA_DRIVER_CAPABILITIES=all." >&2
fi

exec ./node scripts/bench/main.mjs --backend webgpu "$@"
