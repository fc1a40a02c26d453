"""The typed settings of each stage, one file a stage: no torch here, since the workflow reads them at parse time.

``lethe.config`` composes them into the whole configuration; the command of a stage takes the same fields as options.
A stage depends on its own file only, so that an edit of one stage's settings reruns nothing of another's.
"""
