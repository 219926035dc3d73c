/** @file Kind whisper-encoder: Whisper's encoder from its own folder, state by state. */
import { readFileSync } from "node:fs";
import { audioConfigSchema } from "../../../src/model/config.ts";
import { audioLayer, embedSounds, encodeSounds } from "../../../src/model/audio.ts";
import { ParamStore } from "../../../src/model/params.ts";
import type { Check } from "../check-set.ts";
import { ofMaximum } from "../comparison.ts";
import { readTensors, type GoldenSet } from "../golden-set.ts";

const ENCODER = /^(?:model\.)?encoder\./;

export async function checkWhisperEncoder(set: GoldenSet): Promise<Check[]> {
  const config = audioConfigSchema.parse(JSON.parse(readFileSync(set.path("config.json"), "utf8")));
  const params = new ParamStore();
  for (const [name, tensor] of await readTensors(set.path("model.safetensors"))) params.set(name.replace(ENCODER, ""), tensor);
  const last = config.encoder_layers;
  const mel = set.tensor("in.input_features");
  return [
    {
      name: "enc.hidden_states",
      run: () => {
        let hidden = embedSounds(params, config, mel);
        const states = [ofMaximum("enc.hidden_states.0", hidden, set.tensor("enc.hidden_states.0"))];
        for (let i = 1; i < last; i++) {
          hidden = audioLayer(params.scope(`layers.${i - 1}`), config, hidden);
          states.push(ofMaximum(`enc.hidden_states.${i}`, hidden, set.tensor(`enc.hidden_states.${i}`)));
        }
        return [...states, ofMaximum(`enc.hidden_states.${last}`, encodeSounds(params, config, mel), set.tensor(`enc.hidden_states.${last}`))];
      },
    },
  ];
}
