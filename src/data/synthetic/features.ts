/** @file Brows, eyes, nose, mouth and wrinkles of the drawn face, in a 100 x 100 box. Every action unit moves something of its own. */
import type { Identity } from "./identity.ts";
import type { Pose } from "./pose.ts";

/** SVG of all that moves. */
export function features(identity: Identity, pose: Pose): string {
  const au: Units = (unit) => pose.activations[unit] ?? 0;
  return [forehead(au), cheeks(au), eye({ side: -1, identity, au, blink: pose.blink }), eye({ side: 1, identity, au, blink: pose.blink }), brow(-1, au), brow(1, au), nose(au), mouth(au, pose.talk), chin(au), identity.glasses ? GLASSES : ""].join("");
}

type Units = (unit: string) => number;

const INK = "#2a1a14";
const WRINKLE = `fill="none" stroke="${INK}" stroke-opacity="0.9"`;
const EYE_X = 19;
const EYE_Y = 47;
const GLASSES = [-1, 1].map((side) => `<circle cx="${50 + side * EYE_X}" cy="${EYE_Y + 1}" r="14.5" fill="none" stroke="#333" stroke-width="1.2"/>`).join("") + `<path d="M45.5 45 H54.5" stroke="#333" stroke-width="1.2"/>`;

/** AU01 lifts the inner end, AU02 the outer end, AU04 presses the whole brow down and together. */
function brow(side: number, au: Units): string {
  const innerX = 50 + side * (9 - 4 * au("AU04"));
  const innerY = 33 - 10 * au("AU01") + 7 * au("AU04") * (1 - 0.5 * au("AU01"));
  const outerX = 50 + side * 33;
  const outerY = 34 - 12 * au("AU02") + 2 * au("AU04");
  const midX = 50 + side * 22;
  const midY = 28 - 5 * au("AU01") - 9 * au("AU02") + 5 * au("AU04");
  return path(`M${n(innerX)} ${n(innerY)} Q${n(midX)} ${n(midY)} ${n(outerX)} ${n(outerY)}`, `fill="none" stroke="${INK}" stroke-width="4.2"`);
}

/** AU01: lines across the middle of the forehead; AU02: arcs above the outer brows; AU04: two furrows between the brows. */
function forehead(au: Units): string {
  const [inner, outer, furrow] = [au("AU01"), au("AU02"), au("AU04")];
  return [
    inner > 0 ? path("M41 17 Q50 14.5 59 17", `${WRINKLE} stroke-width="${n(2.4 * inner)}"`) : "",
    outer > 0 ? [-1, 1].map((side) => path(`M${50 + side * 20} 16 Q${50 + side * 28} 14 ${50 + side * 34} 21`, `${WRINKLE} stroke-width="${n(2.4 * outer)}"`)).join("") : "",
    furrow > 0 ? [-1, 1].map((side) => path(`M${50 + side * 2.6} 30 L${50 + side * 2} 42`, `${WRINKLE} stroke-width="${n(2.8 * furrow)}"`)).join("") : "",
  ].join("");
}

/** AU05 opens the eye upwards, AU07 narrows it from both sides with a straight lower lid, AU06 pushes the lower lid up in an arc. */
function eye({ side, identity, au, blink }: { side: number; identity: Identity; au: Units; blink: number }): string {
  const cx = 50 + side * EYE_X;
  const open = 1 - blink;
  const top = (7.5 + 5.5 * au("AU05") - 4 * au("AU07") - 1.5 * au("AU06")) * open;
  const bottom = (6.5 + 1.5 * au("AU05") - 4.8 * au("AU07") - 5.5 * au("AU06")) * open;
  const [left, right] = [cx - 11, cx + 11];
  const shape = `M${left} ${EYE_Y} Q${cx} ${n(EYE_Y - 2 * top)} ${right} ${EYE_Y} Q${cx} ${n(EYE_Y + 2 * bottom)} ${left} ${EYE_Y}Z`;
  const radius = Math.min(5.4, Math.max(1.4, (top + bottom) / 2 + 0.6)) * (open > 0.3 ? 1 : 0);
  const irisY = EYE_Y + (bottom - top) * 0.25;
  return [
    path(shape, `fill="#fff" stroke="${INK}" stroke-width="1.6"`),
    `<circle cx="${cx}" cy="${n(irisY)}" r="${n(radius)}" fill="${identity.iris}"/>`,
    `<circle cx="${cx}" cy="${n(irisY)}" r="${n(radius * 0.5)}" fill="#000"/>`,
    au("AU07") > 0 ? path(`M${left} ${n(EYE_Y + 5)} L${right} ${n(EYE_Y + 5)}`, `${WRINKLE} stroke-width="${n(2.8 * au("AU07"))}"`) : "",
  ].join("");
}

/** AU06: crow's feet, bags and flushed cheeks. */
function cheeks(au: Units): string {
  const raised = au("AU06");
  if (raised === 0) return "";
  return [-1, 1]
    .map((side) => {
      const x = 50 + side * 34;
      return [
        `<ellipse cx="${50 + side * 24}" cy="62" rx="9" ry="6.5" fill="#d8432f" fill-opacity="${n(0.45 * raised)}"/>`,
        path(`M${50 + side * 10} 57 Q${50 + side * 20} 51 ${50 + side * 31} 56`, `${WRINKLE} stroke-width="${n(2.4 * raised)}"`),
        [-5, 0, 5].map((dy) => path(`M${x} ${46 + dy * 0.4} L${x + side * 5} ${46 + dy}`, `${WRINKLE} stroke-width="${n(1.7 * raised)}"`)).join(""),
      ].join("");
    })
    .join("");
}

/** AU09: wrinkles across the bridge, flared nostrils drawn up, folds beside the nose. */
function nose(au: Units): string {
  const wrinkled = au("AU09");
  const tip = 66 - 3 * wrinkled;
  const flare = 6 + 2.5 * wrinkled;
  const rest = path(`M47 50 L46 ${n(tip - 5)} Q${n(50 - flare - 1)} ${n(tip)} ${n(50 - flare + 3)} ${n(tip + 1)} Q50 ${n(tip + 3)} ${n(50 + flare - 3)} ${n(tip + 1)} Q${n(50 + flare + 1)} ${n(tip)} 54 ${n(tip - 5)}`, `fill="none" stroke="${INK}" stroke-opacity="0.6" stroke-width="1.5"`);
  if (wrinkled === 0) return rest;
  const lines = [46, 50.5, 55].map((y) => path(`M43.5 ${y + 2} Q50 ${y - 2.5} 56.5 ${y + 2}`, `${WRINKLE} stroke-width="${n(2.4 * wrinkled)}"`)).join("");
  const folds = [-1, 1].map((side) => path(`M${50 + side * 10} ${n(tip - 4)} Q${50 + side * 17} ${n(tip)} ${50 + side * 17} ${n(tip + 8)}`, `${WRINKLE} stroke-width="${n(2.4 * wrinkled)}"`)).join("");
  return rest + lines + folds;
}

/** AU12 pulls the corners up and out, AU15 down, AU20 apart, AU23 presses the lips narrow; AU25 parts them, AU26 drops the jaw. */
function mouth(au: Units, talk: number): string {
  const [smile, droop, stretch, press, part, jaw] = [au("AU12"), au("AU15"), au("AU20"), au("AU23"), au("AU25"), au("AU26")];
  const half = 14 + 7 * smile + 9 * stretch - 6.5 * press - 3 * jaw;
  const y = 79 - 2.5 * au("AU17") + 2 * smile;
  const corner = y - 8 * smile + 8.5 * droop;
  const opening = (1.6 * talk + 6.5 * part + 17 * jaw) * (1 - 0.85 * press);
  const arch = 3 * smile - 7 * droop + 1.5 * stretch;
  const [left, right] = [n(50 - half), n(50 + half)];
  const upper = y + arch - opening * 0.25;
  const lower = y + arch + opening * 0.95 + 3.5 * smile;
  const lips = 3.4 - 1.4 * press - 0.8 * stretch;
  const shape = `M${left} ${n(corner)} Q50 ${n(upper * 2 - corner)} ${right} ${n(corner)} Q50 ${n(lower * 2 - corner)} ${left} ${n(corner)}Z`;
  return [
    // The dark rim keeps the lips apart from dark skin, whose grey is that of red.
    path(shape, `fill="none" stroke="${INK}" stroke-width="${n(lips + 2.4)}"`),
    path(shape, `fill="#5a0f14" stroke="#c8404a" stroke-width="${n(lips)}"`),
    part > 0.05 ? teeth({ half, corner, upper, depth: Math.min(5, opening * 0.8) * part }) : "",
    folds({ smile, droop, stretch, press, half, corner, y }),
  ].join("");
}

function teeth({ half, corner, upper, depth }: { half: number; corner: number; upper: number; depth: number }): string {
  const inner = half * 0.72;
  const edge = corner + (upper - corner) * 0.62;
  return path(`M${n(50 - inner)} ${n(edge)} Q50 ${n(upper * 2 - edge)} ${n(50 + inner)} ${n(edge)} Q50 ${n((upper + depth) * 2 - edge)} ${n(50 - inner)} ${n(edge)}Z`, `fill="#fff"`);
}

/** The skin around the mouth: smile folds, drooping folds, stretch brackets, and the ticks of pressed lips. */
function folds({ smile, droop, stretch, press, half, corner, y }: { smile: number; droop: number; stretch: number; press: number; half: number; corner: number; y: number }): string {
  return [-1, 1]
    .map((side) =>
      [
        smile > 0 ? path(`M${50 + side * 13} 65 Q${n(50 + side * (half + 7))} 70 ${n(50 + side * (half + 5))} ${n(corner + 8)}`, `${WRINKLE} stroke-width="${n(2.2 * smile)}"`) : "",
        droop > 0 ? path(`M${n(50 + side * (half + 2))} ${n(corner)} L${n(50 + side * (half + 5))} ${n(corner + 7)}`, `${WRINKLE} stroke-width="${n(3 * droop)}"`) : "",
        stretch > 0 ? path(`M${n(50 + side * (half + 4))} ${n(y - 8)} Q${n(50 + side * (half + 8))} ${n(y)} ${n(50 + side * (half + 4))} ${n(y + 9)}`, `${WRINKLE} stroke-width="${n(2.8 * stretch)}"`) : "",
        press > 0 ? [2, 6].map((x) => path(`M${50 + side * x} ${n(y - 8)} V${n(y - 4)} M${50 + side * x} ${n(y + 4)} V${n(y + 8)}`, `${WRINKLE} stroke-width="${n(2.1 * press)}"`)).join("") : "",
      ].join(""),
    )
    .join("");
}

/** AU17: the chin bunches up, a dark arc with dimples under the lower lip. */
function chin(au: Units): string {
  const raised = au("AU17");
  if (raised === 0) return "";
  const arc = path("M38 95 Q38 86 50 86 Q62 86 62 95", `${WRINKLE} stroke-width="${n(3.2 * raised)}"`);
  return arc + [44, 50, 56].map((x) => `<circle cx="${x}" cy="91.5" r="${n(1.9 * raised)}" fill="${INK}" fill-opacity="0.9"/>`).join("");
}

function path(d: string, style: string): string {
  return `<path d="${d}" ${style}/>`;
}

/** Short numbers keep the picture's text small. */
function n(value: number): number {
  return Math.round(value * 100) / 100;
}
