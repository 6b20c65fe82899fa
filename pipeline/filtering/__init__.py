"""Which frames are clean play: from labels of people to a filter, and what a filter says of video.

In come exports of the labeling tool; out goes a checkpoint of kind `filter`, which `label` asks in
its pass over the frames. `train_filter` and `labelling` call it.
"""
