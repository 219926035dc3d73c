/** @file A line of a reasons file: what `reasons.file` of a build reads, and what `m2se data reasons` writes. */
import { z } from "zod";

export const reasonLineSchema = z.strictObject({
  id: z.string().min(1).describe("utterance or clip name"),
  reason: z.string().trim().min(1),
  origin: z.enum(["given", "model"]).optional().describe("absent: given, somebody wrote it; model: a language model did"),
  model: z.string().optional().describe("the name that its endpoint knows it by"),
  request: z.string().optional().describe("hash of the endpoint, the model and all that was asked"),
});

export type ReasonLine = z.infer<typeof reasonLineSchema>;
