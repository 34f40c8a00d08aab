"""The dataset doctor: what is wrong with the data, before anything is trained on them.

    bad, misnamed     files that cannot be read, or are not what their name says (finetune.features.extract)
    copies            the same content twice, perhaps under different labels
    near              nearly the same content, by the features
    leaks             either of them in more than one part of the data's own split
    names             class names that look alike
    balance           how unevenly the classes are filled
    crossval          every sample's answer from a head that has not seen it
    twins             classes that those answers cannot tell apart
    suspects          the likeliest label errors, by those answers

`examine` looks once, before every training run; `checkup` is all of `finetune check`. The data are never touched.
"""
