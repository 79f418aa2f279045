"""mcpgen turns an OpenAPI document and one small `mcpgen.toml` into a complete, typed MCP server.

What happens where, in the order of the work:

    read      config, spec/, corrections        the configuration, the document, what is corrected in it
    decide    planner, with                     which tools there are, and everything final about them
                binding, schemas/, xmlnodes       what an operation takes and how it is sent
                shaping, replies                  what a model sees instead, and what it is answered
                annotations, upstream, names      effects, hosts and credentials, names
                docs, endpoint, proxy             a tool that searches; documents that describe an MCP server
              plan                              what was decided: the intermediate representation
              custom                            tools written by hand, read and added to it
    write     render, clients, output, shipped  the files, the snippets for clients, the folder, where templates are
    try       samples, mock, standin, tryout    a stand-in for the API, and a trial of a server against it
    follow    fetch/                            documents, and lists of MCP servers, from where they are published
    review    contract/, revisions              what changed in the tools, against what git holds; schemas compared
              report, page, markdown            the same as text, Markdown and JSON, and as a page of HTML
              lint/                             what a model will get wrong, and what cures it
    talk      cli, problems
"""

__version__ = "0.1.0"
