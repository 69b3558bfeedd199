"""Each slip in a spec file gives one line: file, line, key, what is wrong, the choices."""

from __future__ import annotations

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.metrics.registry import metrics
from pytest_mlff.specs import cases_of, expand, load_spec

LAST = "provenance: {source: paper, reference: Table 1}"
BASELINE = "provenance: {source: own_baseline, reference: measured"
KEYS_OF_CASE = "(keys: group_by, metric, options, species, thresholds, where)"

LOAD = [
    ("unknown key at the top", [("title: A title", "titel: A title")],
     "spec.yaml:2: titel: unknown key; did you mean 'title'? (keys: axes, cases, datasets, "
     "description, frames, margin, pooled, reference_energies, schema_version, seed, simulate, "
     "source, title, undecided_bound, variant, where) (and 1 more)"),
    ("unknown key in a case", [("    species: [all, each]", "    specie: [all, each]")],
     f"spec.yaml:20: cases[0].specie: unknown key; did you mean 'species'? {KEYS_OF_CASE}"),
    ("unknown key in a provenance", [(LAST, LAST.replace("}", ", doi: x}"))],
     "spec.yaml:24: cases[0].thresholds[0].provenance.doi: unknown key "
     "(keys: frames, reference, seeds, source)"),
    ("unknown key in a selection", [("molecule}\", start: 90", "molecule}\", begin: 90")],
     "spec.yaml:17: frames.test.begin: unknown key (keys: count, dataset, "
     "end, molecules, pick, start)"),
    ("unknown key in a dataset", [("  embedded:", "  embedded: {axis: {}}")],
     "spec.yaml:7: datasets.embedded.axis: unknown key; did you mean 'axes'? (keys: axes, "
     "energy_key, forces_key, format, independent, level_of_theory, path, replica, species, "
     "stress_key, time_ordered, units, virial_key, where)"),
    ("no schema version", [("schema_version: 1\n", "")],
     "spec.yaml:1: schema_version: is missing"),
    ("another schema version", [("schema_version: 1\n", "schema_version: 2\n")],
     "spec.yaml:1: schema_version: must be 1, is 2"),
    ("no source", [("source:\n  paper: A paper\n  section: Section 1\n", "")],
     "spec.yaml:1: source: is missing"),
    ("no section", [("  section: Section 1\n", "")], "spec.yaml:3: source.section: is missing"),
    ("doi", [("  section: Section 1\n", "  section: Section 1\n  doi: nature\n")],
     "spec.yaml:6: source.doi: must be a DOI such as 10.1000/182, is 'nature'"),
    ("threshold as text", [("max: 45", "max: '45'")],
     "spec.yaml:22: cases[0].thresholds[0].max: must be a number, is '45'"),
    ("threshold true", [("max: 45", "max: true")],
     "spec.yaml:22: cases[0].thresholds[0].max: must be a number, is true"),
    ("threshold negative", [("max: 45", "max: -1")],
     "spec.yaml:22: cases[0].thresholds[0].max: must be at least 0, is -1"),
    ("threshold nan", [("max: 45", "max: .nan")],
     "spec.yaml:22: cases[0].thresholds[0].max: must be finite, is nan"),
    ("threshold infinite", [("max: 45", "max: .inf")],
     "spec.yaml:22: cases[0].thresholds[0].max: must be finite, is inf"),
    ("no unit", [("        unit: meV/Å\n", "")],
     "spec.yaml:22: cases[0].thresholds[0].unit: is missing"),
    ("wrong unit", [("unit: meV/Å", "unit: eV/Å")],
     "spec.yaml:23: cases[0].thresholds[0].unit: must be 'meV/Å', the unit of force_mae; "
     "is 'eV/Å'"),
    ("no provenance", [(f"        {LAST}\n", "")],
     "spec.yaml:22: cases[0].thresholds[0].provenance: is missing"),
    ("unknown provenance", [("source: paper,", "source: papers,")],
     "spec.yaml:24: cases[0].thresholds[0].provenance.source: must be 'paper', 'own_baseline' "
     "or 'physical_limit', is 'papers'"),
    ("empty reference", [("reference: Table 1", "reference: ''")],
     "spec.yaml:24: cases[0].thresholds[0].provenance.reference: must be some text, is ''"),
    ("own baseline without frames and seeds", [(LAST, BASELINE + "}")],
     "spec.yaml:24: cases[0].thresholds[0].provenance.frames: is missing; an own_baseline says "
     "how many frames and seeds (and 1 more)"),
    ("own baseline without seeds", [(LAST, BASELINE + ", frames: 5}")],
     "spec.yaml:24: cases[0].thresholds[0].provenance.seeds: is missing; an own_baseline says "
     "how many frames and seeds"),
    ("cases not a list", [("cases:\n  - metric: force_mae\n", "cases:\n    metric: force_mae\n")],
     "spec.yaml:18: cases: must be a list, is a mapping"),
    ("unknown metric", [("metric: force_mae", "metric: force_mea")],
     "spec.yaml:19: cases[0].metric: unknown metric 'force_mea'; did you mean 'force_mae'? "
     f"(metrics: {', '.join(sorted(metrics()))})"),
    ("a law without a threshold",
     [("force_mae\n    species: [all, each]\n    thresholds:\n      - max: 45\n        unit: "
       "meV/Å\n        " + LAST, "rotation")],
     "spec.yaml:19: cases[0].thresholds: is missing or empty; rotation is held against one"),
    ("a largest value where larger is better",
     [("metric: force_mae\n    species: [all, each]", "metric: soap_similarity"),
      ("unit: meV/Å", "unit: '1'")],
     "spec.yaml:21: cases[0].thresholds[0].max: must be `min`: of soap_similarity larger is "
     "better"),
    ("a smallest value where smaller is better", [("max: 45", "min: 45")],
     "spec.yaml:22: cases[0].thresholds[0].min: must be `max`: of force_mae smaller is better"),
    ("max and min", [("max: 45", "max: 45\n        min: 1")],
     "spec.yaml:23: cases[0].thresholds[0].min: does not go with `max`; give the one that the "
     "metric's direction asks for"),
    ("neither max nor min", [("      - max: 45\n        unit", "      - unit")],
     "spec.yaml:22: cases[0].thresholds[0].max: is missing; give `max`, or `min` where larger is "
     "better"),
    ("energy per species", [("metric: force_mae", "metric: energy_mae"),
                            ("unit: meV/Å", "unit: meV/atom")],
     "spec.yaml:20: cases[0].species: must be all; energy_mae is not taken per species"),
    ("no symbol", [("[all, each]", "[all, Xx]")],
     "spec.yaml:20: cases[0].species: 'Xx' is no chemical symbol, nor all or each"),
    ("species word misspelt", [("[all, each]", "[all, eahc]")],
     "spec.yaml:20: cases[0].species: 'eahc' is no chemical symbol, nor all or each; did you "
     "mean 'each'?"),
    ("species twice", [("[all, each]", "[H, H]")],
     "spec.yaml:20: cases[0].species: names a species twice: H, H"),
    ("each and a symbol", [("[all, each]", "[each, H]")],
     "spec.yaml:20: cases[0].species: 'each' already has every symbol; name one or the other"),
    ("threshold for a species that is not asked for",
     [("[all, each]", "all"), ("max: 45", "species: H\n        max: 45")],
     "spec.yaml:22: cases[0].thresholds[0].species: 'H' is not among the species of this case "
     "(all)"),
    ("case twice", [("cases:\n", f"cases:\n  - {{metric: force_mae, species: H, thresholds: "
                                 f"[{{max: 1, unit: meV/Å, {LAST}}}]}}\n")],
     "spec.yaml:20: cases[1]: force_mae of 'each' is already asked for above"),
    ("symbol after each", [("[all, each]", "each"), ("reference: Table 1}", "reference: Table 1}\n"
      f"  - {{metric: force_mae, species: H, thresholds: [{{max: 1, unit: meV/Å, {LAST}}}]}}")],
     "spec.yaml:25: cases[1]: force_mae of 'H' is already asked for above"),
    ("no case", [("  - metric: force_mae\n    species: [all, each]\n    thresholds:\n      - max: "
                  "45\n        unit: meV/Å\n        " + LAST, "  []")],
     "spec.yaml:18: cases: names no case"),
    ("where not an expression", [("where: samples > 0", "where: samples >")],
     "spec.yaml:13: where: 'samples >': is not an expression"),
    ("where calls", [("where: samples > 0", "where: __import__('os').system('true')")],
     "spec.yaml:13: where: \"__import__('os').system('true')\": functions are min max abs len "
     "round"),
    ("where with an unknown name", [("where: samples > 0", "where: sample > 0")],
     "spec.yaml:13: where: 'sample > 0': unknown name 'sample'; did you mean 'samples'? "
     "(names: dataset, molecule, samples)"),
    ("where a number", [("where: samples > 0", "where: 3")],
     "spec.yaml:13: where: must be an expression (text), is 3"),
    ("axis not a list", [("samples: [200, 100]", "samples: 200")],
     "spec.yaml:12: axes.samples: must be a list of values, is 200"),
    ("axis empty", [("samples: [200, 100]", "samples: []")],
     "spec.yaml:12: axes.samples: has no values"),
    ("axis value twice", [("samples: [200, 100]", "samples: [200, 200]")],
     "spec.yaml:12: axes.samples: has the value 200 twice"),
    ("axis value twice as float", [("samples: [200, 100]", "samples: [200, 200.0]")],
     "spec.yaml:12: axes.samples: has the value 200.0 twice"),
    ("axis of lists", [("samples: [200, 100]", "samples: [[200], 100]")],
     "spec.yaml:12: axes.samples: must be a number, text, true or false, is a list"),
    ("axis not finite", [("samples: [200, 100]", "samples: [.inf, 100]")],
     "spec.yaml:12: axes.samples: must be a number, text, true or false, is inf"),
    ("axis with a bad name", [("samples: [200, 100]", "samples: [200, 100]\n  in: [1]")],
     "spec.yaml:13: axes.in: 'in' cannot name an axis; use letters, digits and _ (no keyword)"),
    ("axis called dataset", [("samples: [200, 100]", "samples: [200, 100]\n  dataset: [1]")],
     "spec.yaml:13: axes.dataset: 'dataset' cannot name an axis; use letters, digits and _ "
     "(no keyword)"),
    ("unknown axis of a dataset", [("{samples: [400, 800]}", "{sample: [400, 800]}")],
     "spec.yaml:9: datasets.rmd17.axes.sample: unknown axis; did you mean 'samples'? "
     "(axes: molecule, samples)"),
    ("unknown axis in the template", [('variant: "{molecule}-n{samples}"',
                                       'variant: "{molecule}-n{sample}"')],
     "spec.yaml:14: variant: '{molecule}-n{sample}': unknown name 'sample'; did you mean "
     "'samples'? (names: dataset, molecule, samples)"),
    ("attribute in the template", [('variant: "{molecule}-n{samples}"',
                                    'variant: "{molecule.__class__}"')],
     "spec.yaml:14: variant: '{molecule.__class__}': braces hold the name of an axis and nothing "
     "else, as in {n}"),
    ("dataset with a bad name", [("  embedded:\n", "  a b: {path: x.npz}\n")],
     "spec.yaml:7: datasets.a b: 'a b' cannot name a dataset; use letters, digits and . _ + -"),
    ("no test frames", [("  test: {molecules: \"{molecule}\", start: 90}\n", "")],
     "spec.yaml:15: frames.test: is missing"),
    ("molecules a number", [("{molecules: \"{molecule}\", start: 90}",
                             "{molecules: 5, start: 90}")],
     "spec.yaml:17: frames.test.molecules: must be text or a list of texts, is 5"),
    ("unknown pick", [("pick: random", "pick: last")],
     "spec.yaml:16: frames.train.pick: must be 'all', 'first', 'evenly' or 'random', is 'last'"),
    ("count without pick", [("pick: random, ", "")],
     "spec.yaml:16: frames.train.count: does not go with pick: all; choose first, evenly or "
     "random"),
    ("pick without count", [(", count: samples", "")],
     "spec.yaml:16: frames.train.count: is missing; pick: random needs it"),
    ("start a list", [("start: 90", "start: [90]")],
     "spec.yaml:17: frames.test.start: must be a number or an expression, is a list"),
    ("seed a fraction", [("schema_version: 1\n", "schema_version: 1\nseed: 1.5\n")],
     "spec.yaml:2: seed: must be a whole number, is 1.5"),
    ("duplicate key", [("title: A title\n", "title: A title\ntitle: again\n")],
     "spec.yaml:3: title: key is already there in line 2"),
    ("options nested", [("    species: [all, each]\n",
                         "    species: [all, each]\n    options: {a: {b: 1}}\n")],
     "spec.yaml:21: cases[0].options.a: must be a number, text, true or false, is a mapping"),
    ("no noise floor", [("max: 45", "max: 45\n        above_floor: true")],
     "spec.yaml:23: cases[0].thresholds[0].above_floor: does not go with force_mae, which has no "
     "noise floor"),
    ("several problems", [("max: 45", "max: x"), ("title: A title", "title: 7")],
     "spec.yaml:2: title: must be text, is 7 (and 1 more)"),
]  # fmt: skip


@pytest.mark.parametrize("changes, message", [row[1:] for row in LOAD], ids=[r[0] for r in LOAD])
def test_slips_found_when_read(write_spec, changes, message) -> None:
    with pytest.raises(MlffError) as caught:
        load_spec(write_spec(*changes))
    assert str(caught.value) == message


EXPAND = [
    ("where not a condition", [("where: samples > 0", "where: samples")],
     "spec.yaml:13: where: 'samples': must be true or false, is 100 at molecule='aspirin', "
     "samples=100"),
    ("where divides by zero", [("where: samples > 0", "where: 1 / (samples - 100) > 0")],
     "spec.yaml:13: where: '1 / (samples - 100) > 0': division by zero at molecule='aspirin', "
     "samples=100"),
    ("where leaves nothing", [("where: samples > 0", "where: samples > 500")],
     "spec.yaml:13: where: 'samples > 500' leaves none of 4 variants"),
    ("ids not unique", [('variant: "{molecule}-n{samples}"', 'variant: "{molecule}"')],
     "spec.yaml:14: variant: molecule='aspirin', samples=100 and molecule='aspirin', samples=200 "
     "are both called 'aspirin'; put every axis into the template"),
    ("id not safe", [('variant: "{molecule}-n{samples}"', 'variant: "{molecule}/{samples}"')],
     "spec.yaml:14: variant: id 'aspirin/100' has characters other than letters, digits and "
     ". _ + - or is longer than 120"),
    ("window past 100", [("start: 90", "start: 90, end: 101")],
     "spec.yaml:17: frames.test: variant aspirin-n100: window 90-101 % is not within 0-100 % or "
     "is empty"),
    ("window below 0", [("end: 80", "start: -5, end: 80")],
     "spec.yaml:16: frames.train: variant aspirin-n100: window -5-80 % is not within 0-100 % or "
     "is empty"),
    ("window empty", [("start: 90", "start: 90, end: 90")],
     "spec.yaml:17: frames.test: variant aspirin-n100: window 90-90 % is not within 0-100 % or "
     "is empty"),
    ("windows overlap", [("end: 80", "end: 90.5")],
     "spec.yaml:16: frames.train: variant aspirin-n100: window 0-90.5 % overlaps that of test, "
     "90-100 %, for aspirin"),
    ("validation overlaps test",
     [("  test:", "  validation: {molecules: aspirin, start: 85}\n  test:")],
     "spec.yaml:17: frames.validation: variant aspirin-n100: window 85-100 % overlaps that of "
     "test, 90-100 %, for aspirin"),
    ("validation overlaps train",
     [("  test:", "  validation: {molecules: a, start: 70, end: 85}\n  test:")],
     "spec.yaml:17: frames.validation: variant aspirin-n100: window 70-85 % overlaps that of "
     "train, 0-80 %, for aspirin"),
    ("negative count", [("count: samples", "count: -3")],
     "spec.yaml:16: frames.train.count: variant aspirin-n100: must be a whole number of at least "
     "1, is -3"),
    ("count zero by expression", [("count: samples", "count: samples - 100")],
     "spec.yaml:16: frames.train.count: variant aspirin-n100: must be a whole number of at least "
     "1, is 0"),
    ("count a fraction", [("count: samples", "count: samples / 3")],
     "spec.yaml:16: frames.train.count: variant aspirin-n100: must be a whole number of at least "
     "1, is 33.3333"),
    ("count a text", [("count: samples", "count: molecule")],
     "spec.yaml:16: frames.train.count: variant aspirin-n100: 'molecule': must be a number, is "
     "'aspirin'"),
    ("molecule twice", [('molecules: "{molecule}", end', 'molecules: ["{molecule}", a], end')],
     "spec.yaml:16: frames.train.molecules: variant aspirin-n100: aspirin is named twice"),
    ("too many points", [("samples: [200, 100]", f"samples: {list(range(1, 100_002))}")],
     "spec.yaml:10: axes: 200002 combinations; at most 200000 are taken"),
]  # fmt: skip


@pytest.mark.parametrize(
    "changes, message", [row[1:] for row in EXPAND], ids=[r[0] for r in EXPAND]
)
def test_slips_found_when_expanded(write_spec, changes, message) -> None:
    spec = load_spec(write_spec(*changes))
    with pytest.raises(MlffError) as caught:
        expand(spec)
    assert str(caught.value) == message


CASES = [
    ("no threshold for some variants", [("max: 45", "where: samples > 150\n        max: 45")],
     "spec.yaml:21: cases[0].thresholds: variant aspirin-n100: none holds for force_mae over all "
     "atoms; widen a `where` or `species`, or add one"),
    ("no threshold for a species", [("max: 45", "species: [all, H]\n        max: 45")],
     "spec.yaml:21: cases[0].thresholds: variant aspirin-n100: none holds for force_mae over C; "
     "widen a `where` or `species`, or add one"),
    ("threshold where no condition", [("max: 45", "where: samples\n        max: 45")],
     "spec.yaml:22: cases[0].thresholds[0].where: variant aspirin-n100: 'samples': must be true "
     "or false, is 100"),
    ("species that is not there", [("[all, each]", "[all, N]")],
     "spec.yaml:20: cases[0].species: variant aspirin-n100: the test frames hold no N "
     "(species: C, H, O); `each` takes those that are there"),
]  # fmt: skip


@pytest.mark.parametrize("changes, message", [row[1:] for row in CASES], ids=[r[0] for r in CASES])
def test_slips_found_when_cases_are_listed(write_spec, changes, message) -> None:
    variant = expand(load_spec(write_spec(*changes)))[0]
    with pytest.raises(MlffError) as caught:
        cases_of(variant, ["H", "C", "O"])
    assert str(caught.value) == message


def test_unknown_dataset(write_spec) -> None:
    with pytest.raises(MlffError) as caught:
        expand(load_spec(write_spec()), "rmd18")
    assert str(caught.value) == (
        "spec.yaml:6: datasets: own/spec does not run on dataset 'rmd18'; did you mean 'rmd17'? "
        "(datasets: embedded, rmd17)"
    )


def test_not_a_mapping(write_spec) -> None:
    path = write_spec()
    path.write_text("- a\n- b\n")
    with pytest.raises(MlffError, match=r"^spec\.yaml:1: must be a mapping of keys"):
        load_spec(path)


def test_the_unchanged_spec_is_in_order(write_spec) -> None:
    """So that each message above comes from its change alone."""
    spec = load_spec(write_spec())
    for dataset in spec.datasets:
        for variant in expand(spec, dataset):
            assert len(cases_of(variant, ["C", "H"])) == 3
