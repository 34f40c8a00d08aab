"""The dataset doctor: what is wrong with a dataset, before anything is trained on it.

    examine           run all checks: before every training run, and for `finetune check`
    duplicates        exact copies, contradicting labels, near duplicates by the features, leaks between parts
    class_checks      class sizes, class names that look alike, classes that the features cannot tell apart
    label_errors      the likeliest label errors, by confident learning
    cross_validation  out-of-fold predictions for the two above
    findings          all findings as values, their summary, their JSON
    text_report       the findings for a terminal
    html_report       the findings as a page, and as a section of the training report
    fix               --fix: a cleaned table of the samples

Unreadable and misnamed files are found by `finetune.features.extract`. The data are never changed.
"""
