"""The site's configuration: which pages run, when they run again, and how the report looks."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from joblib import cpu_count
from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

import addresses  # noqa: E402 - found in the folder of the line above

# The library reads these when a page runs: messages bypass the page, and answers are kept for the home page.
# Answers are stored beside the pages, so that deleting the pages deletes them too.
os.environ["MNIST_LAB_REPORT"] = "1"
os.environ["MNIST_LAB_ANSWERS"] = str(HERE / "auto_examples" / "answers")

# Pages import torch before the library, so what mnist_lab/_utils/openmp.py does is done here for all of them.
os.environ.setdefault("GOMP_SPINCOUNT", "30000")
# What mnist_lab/training/allocator.py does while a network trains, for all that the pages compute.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**25))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**27))

project = "mnist_lab"
author = "The mnist_lab developers"
copyright = f"2026, {author}"
release = version = installed_version("mnist-lab")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "freshness",
    "plan",
    "record",
    "overview",
    "front",
    "answers",
    "pages",
    "formulas",
    "references",
    "accessible",
    "report_pdf",
    "addresses",
    "whats_new",
    "notebook_cells",
    "contracts",
    "live",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "report"]
templates_path = ["_templates"]
nitpicky = True

# Inventories are kept here, so that a build needs no network; inventories/refresh.py renews them.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "inventories/python.inv"),
    "torch": ("https://docs.pytorch.org/docs/stable", "inventories/torch.inv"),
    "matplotlib": ("https://matplotlib.org/stable", "inventories/matplotlib.inv"),
}

html_math_renderer = "mathml"
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year_round"
bibtex_default_style = "plain"
bibtex_cite_id = "{key}"  # the place of an entry on its page

autosummary_generate = True
autodoc_typehints = "none"  # docstrings state types, shapes and units
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("mnist_lab",),
    "reset_modules": ("matplotlib", "freshness.forget_run", "freshness.strict"),
    "reset_modules_order": "both",
    "capture_repr": (),  # a page prints what it wants to show
    "image_scrapers": ("figures.scrape",),
    "image_srcset": ["2x"],
    "thumbnail_size": (600, 420),
    "matplotlib_animations": True,
    "min_reported_time": 0,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "recommender": {"enable": True, "n_examples": 3, "rubric_header": "Related pages"},
    "plot_gallery": True,
    "parallel": min(cpu_count(), 4),  # pages that run side by side, each on its share of the cores
}
# sphinx-gallery warns of a space anywhere in a script's full path, and a checkout may be in any folder.
suppress_warnings = ["sphinx_gallery.space_in_filename"]

html_logo = html_favicon = "_static/logo.svg"
html_theme = "pydata_sphinx_theme"
html_title = "mnist_lab"
html_static_path = ["_static"]
html_css_files = ["mnist_lab.css"]
html_show_sourcelink = False
html_baseurl = f"{addresses.site()}/" if addresses.site() else ""
html_context = {"default_mode": "auto"}  # light or dark as the system is set, until the reader chooses
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": True,
    "secondary_sidebar_items": ["page-toc", "sg_download_links", "page-links"],
    "logo": {"text": "mnist_lab"},
    "footer_start": ["copyright"],
    "footer_end": ["build"],
}
if html_baseurl:
    html_theme_options |= {
        "switcher": {"json_url": f"{html_baseurl}versions.json", "version_match": release},
        "check_switcher": False,  # the list is written by this build
        "navbar_end": ["version-switcher", "theme-switcher", "navbar-icon-links"],
    }
html_sidebars: dict[str, list[str]] = {"index": [], "build": [], "404": []}

# The PDF: docs/report is its front matter, docs/_latex its layout.
latex_engine = "xelatex"
latex_documents = [("report/index", "mnist_lab.tex", "A small network, looked into", author, "manual")]
latex_toplevel_sectioning = "chapter"
latex_show_urls = "no"
latex_use_xindy = False
latex_domain_indices = False
latex_table_style = ["booktabs", "colorrows"]
latex_elements = {
    "papersize": "a4paper",
    "pointsize": "10pt",
    "extraclassoptions": "openany,oneside",
    "fncychap": "",
    "babel": r"\usepackage{polyglossia}\setmainlanguage{english}",
    "fontpkg": (HERE / "_latex" / "fonts.tex").read_text(encoding="utf-8"),
    "preamble": (HERE / "_latex" / "preamble.tex").read_text(encoding="utf-8"),
    "maketitle": (HERE / "_latex" / "title.tex").read_text(encoding="utf-8"),
    "printindex": "",
}


def read_index_again(_app: Sphinx, _env: object, _added: set[str], changed: set[str], _removed: set[str]) -> list[str]:
    """Read the API's index again with its pages: its tables show the first sentences of their docstrings."""
    return ["api/index"] if any(name.startswith("api/generated/") for name in changed) else []


def setup(app: Sphinx) -> None:
    """Make relative folders of data and cache absolute, because each page runs in its own folder.

    Sphinx runs this file in docs/, but calls this function in the working directory of the build.
    """
    app.connect("env-get-outdated", read_index_again)
    for name in ("MNIST_LAB_DATA", "MNIST_LAB_CACHE", "MNIST_LAB_PICTURE"):
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).expanduser().absolute())
