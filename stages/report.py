"""report: writes one offline page of every sample and score.

Inputs: all other artifacts. Output: artifacts/report.
Run with `dvc repro report` or `python stages/report.py`.
"""

from tgs_pipeline.operators import report
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("report", report.run)
