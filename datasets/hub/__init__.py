"""The Hugging Face hub: what lies in a repository of datasets there, and how files get into it.

In come files of a dataset; out go commits to a repository; the verb `push` calls it.
"""
