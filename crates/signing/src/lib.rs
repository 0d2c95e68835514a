//! URL grammar, token formats and key sets; verify and sign, purely.
