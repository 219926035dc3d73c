#!/usr/bin/env node
// The sources are TypeScript and run as they are. A tsconfig.json of the working directory must not reach them.
import { register } from "tsx/esm/api";

register({ tsconfig: false });
await import("./main.ts");
