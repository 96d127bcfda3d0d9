"""What a shell or a child process needs in order to work inside an environment: values in, text out."""
