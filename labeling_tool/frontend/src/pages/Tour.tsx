// The ten-minute tour: its welcome, and the result of each lesson.

import { useEffect, useState } from "preact/hooks";
import { get, post } from "../api";
import { claimFirst } from "../loading";
import { Bar, Button } from "../parts";
import { go, person, saveSettings, say, sayError } from "../session";
import type { ProjectRow, TaskData } from "../types";

const PASS = 0.9; // of the frames: who was right in fewer has not understood the lesson
export const TOUR_DONE = 1000; // finished or skipped; the server keeps the number

/** Open the next practice task; false where all are done (or none were made). */
async function openLesson(): Promise<boolean> {
  const projects = await get<ProjectRow[]>("/api/projects");
  for (const project of projects.filter((p) => p.practice).sort((a, b) => a.id - b.id)) {
    const assignment = await claimFirst(project.id);
    if (assignment !== null) {
      go(`/work/${assignment}`);
      return true;
    }
  }
  return false;
}

async function finish(): Promise<void> {
  await saveSettings({ tour: TOUR_DONE });
  go("/");
}

export function Welcome() {
  const start = async (): Promise<void> => {
    try {
      if (!(await openLesson())) await finish();
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <main class="page narrow">
      <h1>Welcome, {person.value?.name}</h1>
      <p class="lead">
        Ten minutes, three small tasks in a drawn maze, and you know everything there is.
      </p>
      <ol class="steps">
        <li>
          <b>Action review</b>: which keys were held in each frame? A model has guessed; you mend
          what is wrong.
        </li>
        <li>
          <b>The camera</b>: how far did the player turn?
        </li>
        <li>
          <b>Clean or not</b>: is a frame plain play, or does it carry a webcam, a watermark, a
          menu?
        </li>
      </ol>
      <p>
        All of it by keyboard; the keys stand on the buttons. Nothing has to be saved: every edit is
        kept as you make it.
      </p>
      <div class="row">
        <Button kind="primary" onClick={() => void start()} id="start-tour">
          Start
        </Button>
        <Button kind="quiet" onClick={() => void finish()} id="skip-tour">
          Skip the tour
        </Button>
      </div>
    </main>
  );
}

interface Score {
  frames: number;
  right: number;
  missed: { lane: string; frames: number[][] }[];
}

export function LessonResult({ assignment }: { assignment: number }) {
  const [score, setScore] = useState<Score | null>(null);
  const [task, setTask] = useState<TaskData | null>(null);
  useEffect(() => {
    void Promise.all([
      get<Score>(`/api/assignments/${assignment}/score`),
      get<TaskData>(`/api/assignments/${assignment}`),
    ])
      .then(([s, t]) => {
        setScore(s);
        setTask(t);
      })
      .catch(sayError);
  }, [assignment]);
  if (!score || !task) return <main class="page narrow">…</main>;
  const again = async (): Promise<void> => {
    await post(`/api/assignments/${assignment}/reopen`);
    go(`/work/${assignment}`);
  };
  const on = async (): Promise<void> => {
    if (!(await openLesson())) {
      say("That was the tour. Welcome aboard.");
      await finish();
    }
  };
  const isPassed = score.right >= PASS * score.frames;
  return (
    <main class="page narrow">
      <h1>
        {score.right} of {score.frames} frames right
      </h1>
      <Bar share={score.right / score.frames} label="Frames right" tone="held" />
      {score.missed.length ? (
        <>
          <p>Still different from what was really done:</p>
          <ul>
            {score.missed.map((miss) => (
              <li>
                <b>{miss.lane}</b> in{" "}
                {miss.frames
                  .map(([a, b]) => (b - a === 1 ? `frame ${a + 1}` : `frames ${a + 1} to ${b}`))
                  .join(", ")}
              </li>
            ))}
          </ul>
        </>
      ) : (
        <p>Every single one. Nothing to add.</p>
      )}
      <div class="row">
        {isPassed ? null : (
          <Button kind="primary" onClick={() => void again()} id="mend-lesson">
            Mend it
          </Button>
        )}
        <Button kind={isPassed ? "primary" : "quiet"} onClick={() => void on()} id="next-lesson">
          {isPassed ? "Go on" : "Go on all the same"}
        </Button>
        {isPassed && score.missed.length ? (
          <Button onClick={() => void again()}>Mend it</Button>
        ) : null}
      </div>
    </main>
  );
}
