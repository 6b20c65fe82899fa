"""What the demo says of each of its steps: a title, and a sentence or two of why it is there."""

from __future__ import annotations

from typing import TypedDict

STORY: dict[str, tuple[str, str]] = {
    "record-labelled": (
        "Record labelled play",
        "A scripted player plays; its keys are written beside the video. From this the model will "
        "learn.",
    ),
    "record-labelled-maps": (
        "Record labelled play",
        "A scripted player walks, turns and fights in Doom (Freedoom maps); keys and mouse are "
        "written beside the video. From this the model will learn.",
    ),
    "record-labelled-task": (
        "Record labelled play of “{task}”",
        "The same player in the scene of the task: labels are as good there as what the model saw "
        "of it.",
    ),
    "record-validation": (
        "Record play for validation",
        "A little in worlds of its own, on which the model’s probabilities are made honest.",
    ),
    "record-validation-maps": (
        "Record play for validation",
        "A little on maps of its own, on which the model’s probabilities are made honest.",
    ),
    "record-validation-task": ("Record play of “{task}” for validation", "A little of it, too."),
    "record-heldout": (
        "Record held-out play",
        "On maps that nothing is ever trained on: what is measured here holds for video from "
        "elsewhere.",
    ),
    "record-truth": (
        "Record the pile to be labelled",
        "More play, in other worlds. The labelling job will get the video alone; the true actions "
        "stay hidden.",
    ),
    "record-truth-maps": (
        "Record the pile to be labelled",
        "More play, on other maps. The labelling job will get the video alone; the true actions "
        "stay hidden.",
    ),
    "record-truth-task": (
        "Record more of the pile: “{task}”",
        "Episodes of the task as agents are scored on it: its start, its dangers, its end.",
    ),
    "hide-truth": (
        "Take the labels away",
        "Only the mp4 files of the pile go to the folder that will be labelled.",
    ),
    "train-idm": (
        "Train the inverse dynamics model",
        "It sees the frames before and after a moment and learns to say which keys were held and "
        "how the mouse moved.",
    ),
    "tune-idm": (
        "Train the inverse dynamics model",
        "It goes on from the model “{init}”, which ships with vidact and has not seen this scene. "
        "From the frames before and after a moment it says which keys were held and how the mouse "
        "moved.",
    ),
    "eval-idm": (
        "Measure it on held-out maps",
        "Beside three baselines that see no truth, with 95 % intervals over the recordings.",
    ),
    "label": (
        "Label the pile",
        "An Apache Beam job decodes the videos, runs the model over them and writes WebDataset "
        "shards. Anything it cannot decode would go to the dead letters with its reason.",
    ),
    "verify": (
        "Verify the dataset",
        "Hash every shard again and check every clip against the manifest and the action spec.",
    ),
    "label-quality": (
        "Hold the labels against the hidden truth",
        "Now the true actions of the pile come out: how right are the labels, and does the model "
        "know where it is wrong?",
    ),
    "clone": (
        "Clone an agent from the labels",
        "A causal policy learns to do what the labels say, from past frames alone.",
    ),
    "blind": (
        "Clone a blind twin",
        "The same training on black pictures: what does an agent score that knows the habits of "
        "play, and sees nothing?",
    ),
    "play-random": ("Play “{task}” at random", "The floor that an agent has to beat …"),
    "play-blind": ("Let the blind twin play", "… and the higher one. On the same seeds."),
    "play-clone": ("Let the clone play", "On the same seeds."),
    "finetune": (
        "Fine-tune the clone by play",
        "PPO, held near the clone by a KL term. Minutes here, days in earnest.",
    ),
    "play-finetune": ("Let the fine-tuned agent play", "Once more on the same seeds."),
    "report": ("Write the report", "Every number of it was measured above."),
}


class Told(TypedDict):
    """The words of a step, by the names of a `Stage`'s fields."""

    title: str
    story: str


def told(name: str, **words: str) -> Told:
    """Return the `title` and `story` of a step, with `words` put in."""
    title, story = STORY[name]
    return {"title": title.format(**words), "story": story.format(**words)}
