import { expect, test } from "vitest";
import { ffmpegFix, freeSpace, gpuDriverFix, makeWritable, nodeFix, type System } from "../../src/doctor/fixes.ts";

function system(platform: NodeJS.Platform, ...programs: string[]): System {
  return { platform, has: (program) => programs.includes(program) };
}

test("Node comes from each system's own source", () => {
  expect([nodeFix(system("linux")), nodeFix(system("darwin")), nodeFix(system("win32"))]).toEqual(["sudo npx --yes n 22", "brew install node@22", "winget install OpenJS.NodeJS.LTS"]);
});

test("ffmpeg comes from the package manager that is there, else from npm's packages", () => {
  expect(ffmpegFix(system("linux", "apt-get"))).toBe("sudo apt-get install ffmpeg");
  expect(ffmpegFix(system("linux", "dnf"))).toBe("sudo dnf install ffmpeg-free");
  expect(ffmpegFix(system("darwin", "brew"))).toBe("brew install ffmpeg");
  expect(ffmpegFix(system("linux"))).toBe("npm ci --include=optional");
});

test("a GPU's driver depends on its maker", () => {
  expect(gpuDriverFix(system("linux", "apt-get"), ["/dev/dri/renderD128"])).toBe("sudo apt-get install libvulkan1 mesa-vulkan-drivers");
  expect(gpuDriverFix(system("linux", "apt-get"), ["/dev/dri/renderD128", "/dev/nvidia0"])).toBe("sudo apt-get install libvulkan1 libnvidia-gl-$(cut -d. -f1 /sys/module/nvidia/version)");
  expect(gpuDriverFix(system("linux", "pacman"), ["/dev/dri/renderD128"])).toBe("sudo pacman -S vulkan-icd-loader vulkan-radeon vulkan-intel");
  expect(gpuDriverFix(system("linux"), ["/dev/nvidia0"])).toBe("vulkaninfo --summary");
});

test("folders stand in commands as a shell takes them", () => {
  expect(freeSpace("/data/runs")).toBe("du -xsh /data/runs/* | sort -h");
  expect(makeWritable("/my data/it's")).toBe(`sudo chown -R "$(id -u)" '/my data/it'\\''s'`);
});
