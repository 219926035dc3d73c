import { expect, test } from "vitest";
import { openPeer, peerEnvironment } from "../../../scripts/bench/peer.ts";

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
  await expect(openPeer("no-such-python")).rejects.toThrow("ENOENT");
});
