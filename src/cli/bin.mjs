#!/usr/bin/env node
// The sources are TypeScript and run as they are. A tsconfig.json of the working directory must not reach them.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  process.stderr.write(`m2se needs Node 20.11 or newer, this is ${process.versions.node}.\n  sudo npx --yes n 22\n`);
  process.exit(1);
}
const { register } = await import("tsx/esm/api");
register({ tsconfig: false });
await import("./main.ts");
