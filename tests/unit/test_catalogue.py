"""The catalogue of terminals: figures sourced, budgets that close, overrides that win."""

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pydantic import TypeAdapter

from emulator.catalogue_view import COLUMNS, figures, is_assumed, terminal_rows
from emulator.cli import cli
from emulator.errors import ScenarioError
from emulator.fields import Name
from emulator.physics import optics, radio
from emulator.scenario import Scenario
from emulator.terminals import Optical, Terminal, catalogue
from tests.unit.toys import walker_table

NAMES = sorted(catalogue())
GROUND_PEER = {"dte-tbird": "ogs-1m", "dte-120g": "ogs-500mm"}
"""What sends light to the ground talks to a station, not to its like."""

CLEAR_SKY_AT_20_DEG_DB = float(-optics.decibels(0.9) / np.sin(np.radians(20)))
"""What a cloudless atmosphere of 90 % at the zenith takes at 20 degrees of elevation."""
ONE_DECIBEL_OF_GAS = 1.0


def loaded(name: str, **figures: Any) -> Terminal:
    """Load a scenario that names the model, with figures given beside it."""
    table = walker_table(terminals={"tested": {"model": name, **figures}})
    return Scenario.from_table(table).terminals["tested"]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_source_and_no_source_lacks_its_figure(name: str) -> None:
    entry = catalogue()[name]
    assert entry["source"].keys() == figures(entry).keys()
    for key, source in entry["source"].items():
        assert len(source.removeprefix("assumed:").strip()) > 5, key


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_a_terminal_and_can_be_named(name: str) -> None:
    TypeAdapter(Name).validate_python(name)
    terminal = loaded(name)
    assert (terminal.optical is None) != (terminal.radio is None)
    assert 0 < len(catalogue()[name]["about"]) <= 50


def test_what_a_row_says_is_assumed_is_what_its_sources_say() -> None:
    rows = {row["name"]: row for row in terminal_rows()}
    sources = catalogue()["mynaric-condor-mk3"]["source"]
    assumed = sum(is_assumed(source) for source in sources.values())
    assert 0 < assumed < len(sources)
    assert rows["mynaric-condor-mk3"]["assumed"] == f"{assumed} of {len(sources)}"


def margin_db(tx: Terminal, rx: Terminal, range_km: float, rate_gbps: float) -> float:
    """Return what arrives less what is needed, both ends' steady pointing errors counted."""
    sender, receiver = light(tx), light(rx)
    wavelength_m = sender.wavelength_nm * 1e-9
    receive_db = optics.aperture_gain_db(receiver.aperture_m, wavelength_m)
    if sender.divergence_urad:
        send_db = optics.divergence_gain_db(sender.divergence_urad * 1e-6)
    else:
        send_db = optics.aperture_gain_db(sender.aperture_m, wavelength_m)
    arrives_dbm = optics.received_dbm(
        sender.tx_power_w,
        transmit_gain_db=send_db,
        receive_gain_db=receive_db,
        range_km=range_km,
        wavelength_m=wavelength_m,
        transmit_efficiency=sender.tx_efficiency,
        receive_efficiency=receiver.rx_efficiency,
        loss_db=optics.pointing_loss_db(send_db, sender.pointing_error_urad * 1e-6)
        + optics.pointing_loss_db(receive_db, receiver.pointing_error_urad * 1e-6)
        + receiver.implementation_loss_db,
    )
    needs_dbm = optics.required_dbm(receiver.photons_per_bit, wavelength_m, rate_gbps * 1e9)
    return float(arrives_dbm - needs_dbm)


def light(terminal: Terminal) -> Optical:
    assert terminal.optical is not None
    return terminal.optical


@pytest.mark.parametrize(
    "name", [n for n in NAMES if "optical" in catalogue()[n] and not n.startswith(("dte-", "ogs-"))]
)
def test_between_two_alike_the_full_rate_comes_up_at_the_greatest_range(name: str) -> None:
    terminal = loaded(name)
    spare_db = margin_db(terminal, terminal, terminal.max_range_km, terminal.rate_gbps)
    # A modem climbs to its highest rung only with all of this to spare.
    assert spare_db >= light(terminal).min_margin_db + light(terminal).hysteresis_db


@pytest.mark.parametrize(("space", "ground"), GROUND_PEER.items())
def test_to_the_ground_the_full_rate_comes_up_both_ways(space: str, ground: str) -> None:
    ends = loaded(space), loaded(ground)
    range_km = min(end.max_range_km for end in ends)
    for tx, rx in (ends, ends[::-1]):
        rate_gbps = min(tx.rate_gbps, rx.rate_gbps)
        spare_db = margin_db(tx, rx, range_km, rate_gbps) - CLEAR_SKY_AT_20_DEG_DB
        assert spare_db >= light(tx).min_margin_db + light(tx).hysteresis_db


def test_every_station_for_light_is_tried_by_what_looks_at_it() -> None:
    towards_the_ground = {n for n in NAMES if n.startswith(("dte-", "ogs-"))}
    assert towards_the_ground == set(GROUND_PEER) | set(GROUND_PEER.values())


def test_the_lct_of_edrs_holds_the_weakest_link_that_was_held_in_orbit() -> None:
    # Heine et al., ICSOS 2015: transmit powers as low as 100 mW over 42,000 km.
    weak = loaded("tesat-lct135", optical={"tx_power_w": 0.1})
    assert 0 <= margin_db(weak, weak, 42_000, 1.8) < 1
    assert margin_db(weak, weak, 60_000, 1.8) < 0


def test_sda_s_receiver_is_at_its_threshold_in_the_irradiance_that_the_standard_asks_for() -> None:
    # SDA OCT Standard 3.1.0, OCT-038 and OCT-039: 25 µW/m² at the aperture.
    terminal = light(loaded("sda-oct"))
    on_aperture_w = 25e-6 * np.pi * (terminal.aperture_m / 2) ** 2
    photons = optics.photons_per_bit(
        10 * np.log10(1e3 * on_aperture_w * terminal.rx_efficiency),
        terminal.wavelength_nm * 1e-9,
        2.5e9,
    )
    within_one_photon = 1.0
    assert terminal.photons_per_bit == pytest.approx(photons, abs=within_one_photon)


def test_sda_s_terminal_throws_the_irradiance_that_the_standard_asks_for() -> None:
    # OCT-038 again: at least 25 µW/m² at 5,500 km.
    terminal = light(loaded("sda-oct"))
    gain_db = optics.aperture_gain_db(terminal.aperture_m, terminal.wavelength_nm * 1e-9)
    lost_db = optics.pointing_loss_db(gain_db, terminal.pointing_error_urad * 1e-6)
    eirp_w = terminal.tx_power_w * terminal.tx_efficiency * 10 ** ((gain_db - lost_db) / 10)
    assert eirp_w / (4 * np.pi * 5.5e6**2) >= 25e-6


@pytest.mark.parametrize(
    ("tx", "rx", "altitude_km", "elevation_deg", "least_gbps", "most_gbps"),
    [
        ("x-band-eo", "x-band-station", 500, 5, 1.2, 1.9),
        ("x-band-station", "x-band-eo", 500, 5, 0.01, 0.1),
        ("ka-satellite", "ka-user", 1150, 25, 0.5, 1.5),
        ("ka-user", "ka-satellite", 1150, 25, 0.2, 0.5),
        ("ka-satellite", "ka-gateway", 1168, 10, 0.5, 1.9),
        ("ka-gateway", "ka-satellite", 1168, 10, 1.5, 2.4),
        ("ku-satellite", "ku-user", 550, 25, 0.5, 1.0),
        ("ku-user", "ku-satellite", 550, 25, 0.1, 0.3),
        ("ka-relay", "ka-relay-station", 35_786, 25, 1.8, 2.7),
        ("ka-relay-station", "ka-relay", 35_786, 25, 0.1, 0.6),
    ],
)
def test_a_radio_carries_what_such_radios_carry(
    tx: str, rx: str, altitude_km: float, elevation_deg: float, least_gbps: float, most_gbps: float
) -> None:
    sender, receiver = loaded(tx).radio, loaded(rx).radio
    assert sender is not None and receiver is not None
    symbols = sender.symbol_rate_mbaud * 1e6
    away_km = radio.slant_km(np.array(altitude_km), np.array(elevation_deg))
    assert away_km <= min(loaded(tx).max_range_km, loaded(rx).max_range_km)
    es_n0_db = radio.es_n0_db(
        sender.eirp_dbw,
        receiver.g_over_t_db_k,
        sender.frequency_ghz,
        away_km,
        ONE_DECIBEL_OF_GAS,
        symbols,
    )
    modcod = radio.choose_modcod(es_n0_db, sender.min_margin_db)
    assert least_gbps <= radio.rate_bps(modcod, symbols) / 1e9 <= most_gbps


def test_g_over_t_follows_from_3gpp_s_figures_of_a_vsat() -> None:
    # TR 38.821, table 6.1.1.1-3: 39.7 dBi, noise figure 1.2 dB, antenna at 150 K.
    noise_k = 290 + (150 - 290) * 10**-0.12
    receiver = loaded("ka-user").radio
    a_tenth_of_a_decibel = 0.1
    assert receiver is not None
    assert receiver.g_over_t_db_k == pytest.approx(
        39.7 - 1.2 - 10 * np.log10(noise_k), abs=a_tenth_of_a_decibel
    )


def test_a_figure_beside_the_model_wins_in_every_table() -> None:
    known = loaded("mynaric-condor-mk3")
    changed = loaded(
        "mynaric-condor-mk3",
        rate_gbps=1.25,
        optical={"tx_power_w": 0.5, "ladder_gbps": [0.625]},
        pointing={"acquisition_s": 3.0},
    )
    assert (changed.rate_gbps, changed.max_range_km) == (1.25, known.max_range_km)
    assert light(changed).tx_power_w == 0.5 and light(changed).ladder_gbps == (0.625,)
    assert light(changed).aperture_m == light(known).aperture_m
    assert changed.pointing is not None and known.pointing is not None
    assert changed.pointing.acquisition_s == 3.0
    assert changed.pointing.acquisition_p95_s == known.pointing.acquisition_p95_s


def test_the_effective_scenario_keeps_the_figures_and_needs_no_catalogue() -> None:
    table = walker_table(terminals={"laser": {"model": "sda-oct", "rate_gbps": 1.0}})
    first = Scenario.from_table(table)
    kept = json.loads(first.to_json())
    assert kept["terminals"]["laser"]["optical"]["photons_per_bit"] == 235
    assert Scenario.from_table(kept) == first


@pytest.mark.parametrize(
    ("model", "said"),
    [("tesat-scot8", "Did you mean 'tesat-scot80'"), ("zzzz", "Known: "), ("", "rate_gbps")],
)
def test_an_unknown_model_is_named_with_what_is_close_to_it(model: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loaded(model)
    assert said in str(caught.value)
    assert "terminals.tested" in str(caught.value)


def lasermesh(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["terminals", *arguments])


def test_the_list_holds_every_entry() -> None:
    rows = json.loads(lasermesh("--format", "json").stdout)
    assert [row["name"] for row in rows] == list(catalogue())
    assert all(tuple(row) == COLUMNS for row in rows)
    shown = lasermesh()
    assert shown.exit_code == 0
    for name in NAMES:
        assert name in shown.stdout


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_shown_with_every_figure_beside_its_source(name: str) -> None:
    rows = json.loads(lasermesh(name, "--format", "json").stdout)
    assert {row["figure"]: row["value"] for row in rows} == figures(catalogue()[name])
    assert {row["figure"]: row["source"] for row in rows} == catalogue()[name]["source"]
    table = lasermesh(name).stdout
    for row in rows:
        assert row["figure"] in table


def test_an_unknown_entry_is_one_line_and_exit_code_1() -> None:
    done = lasermesh("tesat-lct35")
    assert done.exit_code == 1 and "Did you mean 'tesat-lct135'?" in done.stderr
    assert len(done.stderr.splitlines()) == 1
