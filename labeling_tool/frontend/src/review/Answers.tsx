// Several people's answers side by side, for the run in hand: what each holds where they differ.

import { keyOf } from "../keys";
import { Button } from "../parts";
import { Head } from "../tables";
import type { FrameRange } from "../types";
import type { ReviewModel } from "./model";
import { pressesOf, rangeText } from "./ranges";

/** What a lane holds within some frames, as people count them. */
function held(row: Uint8Array, { start, end }: FrameRange): string {
  const cells = row.map((value, t) => (start <= t && t < end ? value : 0));
  return pressesOf(cells).map(rangeText).join(", ") || "–";
}

export function Answers({ model }: { model: ReviewModel }) {
  const run = model.watch.decided;
  const rows = [
    { who: `${model.data.person} (this one)`, document: model.document.value },
    ...model.answers,
  ];
  if (!run) return <p class="muted">{rows.length} answers; no difference here.</p>;
  const lanes = model.data.project.buttons
    .map((name, lane) => ({ name, texts: rows.map((r) => held(r.document.buttons[lane], run)) }))
    .filter(({ texts }) => new Set(texts).size > 1);
  return (
    <div class="answers scroll">
      <table>
        <caption>Answers in {rangeText(run)}</caption>
        <Head columns={["Button", ...rows.map((row) => row.who)]} />
        <tbody>
          {lanes.map(({ name, texts }) => (
            <tr>
              <th scope="row">{name}</th>
              {texts.map((text) => (
                <td>{text}</td>
              ))}
            </tr>
          ))}
          {model.readOnly ? null : (
            <tr>
              <th scope="row">Take</th>
              <td />
              {model.answers.map((answer, i) => (
                <td>
                  <Button
                    hint={i === 0 ? keyOf("takeAnswer") : undefined}
                    onClick={() => model.takeAnswer(answer, run)}
                  >
                    {answer.who}
                  </Button>
                </td>
              ))}
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}
