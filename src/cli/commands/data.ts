/** @file `m2se data`: the commands that make datasets. */
import { Command } from "commander";
import type { Launch } from "../context.ts";
import { dataBuildCommand } from "./data-build.ts";
import { dataExportCommand } from "./data-export.ts";
import { dataReasonsCommand } from "./data-reasons.ts";
import { dataSynthCommand } from "./data-synth.ts";

export function dataCommand(launch: Launch): Command {
  const data = new Command("data").description("make datasets");
  for (const build of [dataSynthCommand, dataBuildCommand, dataReasonsCommand, dataExportCommand]) data.addCommand(build(launch));
  return data;
}
