import { expect, test } from "vitest";
import { openPeer, peerEnvironment, peerTitle } from "../../../scripts/bench/peer.ts";

test("OpenBLAS is told the processor where it takes one with AVX-512 for an older one", () => {
  expect(peerEnvironment({ openblasCore: "Haswell" }, { hasAvx512: true })).toMatchObject({ OPENBLAS_CORETYPE: "SKYLAKEX" });
  expect(peerEnvironment({ openblasCore: "Prescott" }, { hasAvx512: true })).toMatchObject({ OPENBLAS_CORETYPE: "SKYLAKEX" });
});

test("OpenBLAS is left alone where it knows the processor, where there is no AVX-512, and where MKL multiplies", () => {
  expect(peerEnvironment({ openblasCore: "SkylakeX" }, { hasAvx512: true })).not.toHaveProperty("OPENBLAS_CORETYPE");
  expect(peerEnvironment({ openblasCore: "SAPPHIRERAPIDS" }, { hasAvx512: true })).not.toHaveProperty("OPENBLAS_CORETYPE");
  expect(peerEnvironment({ openblasCore: "Haswell" }, { hasAvx512: false })).not.toHaveProperty("OPENBLAS_CORETYPE");
  expect(peerEnvironment({ openblasCore: null }, { hasAvx512: true })).not.toHaveProperty("OPENBLAS_CORETYPE");
});

test("threads wait passively and memory is kept", () => {
  expect(peerEnvironment({ openblasCore: null }, { hasAvx512: false })).toMatchObject({ OMP_WAIT_POLICY: "passive", MALLOC_MMAP_MAX_: "0" });
});

test("a Python that is not there gives no peer", async () => {
  await expect(openPeer("no-such-python", { isOnGpu: false })).rejects.toThrow("ENOENT");
});

test("the title says what multiplies, and why PyTorch is on the CPU when we are not", () => {
  const probe = { version: "2.13.0", hasMkl: true, openblasCore: null, gpu: null };
  const openblas = { ...probe, hasMkl: false, openblasCore: "Haswell" };

  expect(peerTitle(probe, { isOnGpu: false, core: undefined })).toBe("PyTorch 2.13.0 (MKL)");
  expect(peerTitle(openblas, { isOnGpu: false, core: "SKYLAKEX" })).toBe("PyTorch 2.13.0 (OpenBLAS SKYLAKEX)");
  expect(peerTitle(probe, { isOnGpu: true, core: undefined })).toBe("PyTorch 2.13.0 (MKL) on the CPU, as it finds no CUDA device");
  expect(peerTitle({ ...probe, gpu: "NVIDIA H100" }, { isOnGpu: true, core: undefined })).toBe("PyTorch 2.13.0 on NVIDIA H100, float32 without TF32");
  expect(peerTitle({ ...probe, gpu: "NVIDIA H100" }, { isOnGpu: false, core: undefined })).toBe("PyTorch 2.13.0 (MKL)");
});
