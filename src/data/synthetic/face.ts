/** @file A drawn face as SVG: features moved by FACS action units, each with a signature that survives at 64 x 64 pixels. */
import { features } from "./features.ts";
import type { Identity } from "./identity.ts";
import type { Pose } from "./pose.ts";

/** The face alone as an SVG group in a 100 x 100 box, background included. */
function faceGroup(identity: Identity, pose: Pose): string {
  const { skin, background } = identity;
  const w = identity.faceWidth;
  const jaw = 4 * (pose.activations.AU26 ?? 0);
  const move = `translate(${round(pose.dx)} ${round(pose.dy)}) rotate(${round(pose.turn)} 50 60)`;
  return [
    `<rect width="100" height="100" fill="${background}"/>`,
    `<g transform="${move}" stroke-linecap="round" stroke-linejoin="round">`,
    hairBack(identity),
    ear(50 - w, skin),
    ear(50 + w, skin),
    `<path d="M${50 - w} 42 C${50 - w} -8 ${50 + w} -8 ${50 + w} 42 C${50 + w} ${82 + jaw} 68 ${97 + jaw} 50 ${97 + jaw} C32 ${97 + jaw} ${50 - w} ${82 + jaw} ${50 - w} 42Z" fill="${skin}" stroke="${INK}" stroke-opacity="0.45" stroke-width="1"/>`,
    hairFront(identity),
    features(identity, pose),
    `</g>`,
  ].join("");
}

/** Frames below one another in one picture `side` wide, so that one call of the renderer draws them all. */
export function filmStrip({ identity, poses, side }: { readonly identity: Identity; readonly poses: readonly Pose[]; readonly side: number }): string {
  const scale = side / 100;
  const frames = poses.map((pose, index) => `<svg y="${index * side}" width="${side}" height="${side}"><g transform="scale(${scale})">${faceGroup(identity, pose)}</g></svg>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side * poses.length}">${frames.join("")}</svg>`;
}

const INK = "#2a1a14";

function ear(x: number, skin: string): string {
  return `<ellipse cx="${round(x)}" cy="50" rx="5" ry="8" fill="${skin}" stroke="${INK}" stroke-opacity="0.45" stroke-width="1"/>`;
}

function hairBack({ hair, hairStyle, faceWidth: w }: Identity): string {
  if (hairStyle === "long") return `<path d="M${45 - w} 100 V40 C${45 - w} -20 ${55 + w} -20 ${55 + w} 40 V100Z" fill="${hair}"/>`;
  if (hairStyle === "curly") return [-1, -0.5, 0, 0.5, 1].map((k) => `<circle cx="${round(50 + k * w)}" cy="${round(14 + 14 * k * k)}" r="15" fill="${hair}"/>`).join("");
  return "";
}

/** The hair line stays above y = 16, so that raised brows never meet it. */
function hairFront({ hair, hairStyle, faceWidth: w }: Identity): string {
  const left = 50 - w;
  const right = 50 + w;
  switch (hairStyle) {
    case "bald":
      return "";
    case "side":
      return `<path d="M${left - 2} 36 C${left - 2} -14 ${right + 2} -14 ${right + 2} 32 C${right - 4} 20 76 10 66 6 C52 16 26 14 ${left - 2} 36Z" fill="${hair}"/>`;
    case "short":
    case "long":
    case "curly":
      return `<path d="M${left - 2} 34 C${left - 4} -16 ${right + 4} -16 ${right + 2} 34 C${right - 4} 16 72 12 50 12 C28 12 ${left + 4} 16 ${left - 2} 34Z" fill="${hair}"/>`;
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
