/** @file Pictures in a text: the word `<image>` marks where each one goes, as in InternVL's own prompts and datasets. */
import { UserError } from "../core/errors.ts";
import { control, text, type Piece } from "./pieces.ts";

const PLACE = "<image>";

/** A picture's tokens: of all its tiles, one after another. */
export interface ImagePlace {
  /** Names the features. */
  readonly clip: string;
  readonly tokens: number;
  /** First feature row of the picture within its clip. */
  readonly offset: number;
}

/**
 * The text with `<img>`, the picture's context tokens and `</img>` in each of its places, in order.
 *
 * @param where - file and record for the message.
 * @throws UserError - DataError when places and pictures are not equally many.
 */
export function placeImages(value: string, images: readonly ImagePlace[], where: string): Piece[] {
  const [before = "", ...rest] = value.split(PLACE);
  if (rest.length !== images.length) {
    const hint = `Write ${PLACE} once for every picture, in the order of the pictures.`;
    throw new UserError({ kind: "DataError", where, what: `Got ${rest.length} ${PLACE} places for ${images.length} pictures, expected as many`, hint });
  }
  return [text(before), ...rest.flatMap((after, i) => [...imagePieces(images[i]), text(after)])];
}

function imagePieces(image: ImagePlace | undefined): Piece[] {
  if (image === undefined) return [];
  const { clip, tokens, offset } = image;
  return [control("<img>"), { kind: "media", token: "<IMG_CONTEXT>", modality: "video", clip, count: tokens, offset }, control("</img>")];
}
