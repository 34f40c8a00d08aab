"""Every limit of the server, and the status of a request that exceeds it.

    http_limits           431 headers too large, 408 upload too slow
    body_size             413 body too large; 415 compressed body
    samples_per_request   400 too many samples or tokens in one request
    admission             429 too many samples in the server, with Retry-After

Limits of a single image or text (pixels, tokens) belong to the model's input: `graft.inputs`.
"""
