/** @file The contract of a converter: a raw dataset in, drafts of records and notices out, one at a time. */
import type { EmtRecord, Utterance } from "../record.ts";
import type { BuildOptions } from "../build/options.ts";

/** What can be noticed; `fault`: data is lost or doubtful, `info`: repaired or merely worth knowing. */
export const NOTICE_KINDS = {
  "bad-file": "fault",
  "bad-row": "fault",
  "repeated": "fault",
  "missing": "fault",
  "unknown-label": "fault",
  "unknown-split": "fault",
  "unknown-prompt": "fault",
  "tag-count": "fault",
  "no-file": "fault",
  "unreadable": "fault",
  "no-audio": "info",
  "too-short": "fault",
  "too-long": "fault",
  "unsafe-path": "fault",
  "faces": "fault",
  "count-differs": "fault",
  "no-clips": "info",
  "other-word": "info",
  "text-repaired": "info",
  "encoding": "info",
  "odd-time": "info",
  "no-row": "info",
  "order": "info",
  "input": "info",
  "known-defect": "info",
  "no-emotion": "info",
  "no-reason": "info",
} as const satisfies Record<string, "fault" | "info">;
export type NoticeKind = keyof typeof NOTICE_KINDS;

export interface Notice {
  readonly kind: NoticeKind;
  /** `file:line`, or the file. */
  readonly where: string;
  /** One sentence without a full stop. */
  readonly what: string;
}

/** An utterance before its clip, its face and its reason were looked at. */
export interface DraftUtterance {
  /** `media.video` names where the clip should be; without media there is none to be had. */
  readonly utterance: Utterance;
  readonly where: string;
  /** Files, relative to the folder of OpenFace's output, in which this clip's rows may be; the first that exists counts. */
  readonly faceFiles: readonly string[];
}

export interface DraftRecord extends Omit<EmtRecord, "utterances"> {
  readonly utterances: readonly DraftUtterance[];
  readonly where: string;
}

export type ConverterEvent =
  | { readonly kind: "record"; readonly record: DraftRecord }
  /** One row, conversation or list item was read; `refused`: nothing of it is in a record, a notice says why. */
  | { readonly kind: "row"; readonly file: string; readonly refused: boolean }
  | { readonly kind: "notice"; readonly notice: Notice };

export interface ConverterInput {
  /** The raw dataset's folder. */
  readonly root: string;
  /** The folder that media paths are relative to. */
  readonly mediaRoot: string;
  readonly options: BuildOptions;
}

export type Converter = (input: ConverterInput) => AsyncGenerator<ConverterEvent>;

export function notice(kind: NoticeKind, where: string, what: string): ConverterEvent {
  return { kind: "notice", notice: { kind, where, what } };
}
