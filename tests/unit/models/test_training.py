"""What the trainings share: the pace, the state on disk, the running average, the clock."""

import pytest
import torch
from models.training import Course, Pace, training_parser
from torch import nn


def course_in(folder, network, minutes=1.0, pace=None):
    return Course(folder, minutes, {"network": network}, pace or Pace())


def test_the_rate_rises_and_then_falls_by_a_cosine():
    pace = Pace(rate=1.0, rise=4, floor=0.01)
    rates = [pace.rate_at(steps, progress) for steps, progress in ((0, 0.0), (3, 0.0), (9, 0.5), (9, 1.0))]
    assert rates == pytest.approx([0.25 * 1.01, 1.01, 0.51, 0.01])


def test_the_average_forgets_its_beginning_and_then_keeps_most():
    pace = Pace(memory=0.9, patience=10.0)
    assert pace.kept_at(10) == 0.5
    assert pace.kept_at(10_000) == 0.9


def test_a_training_goes_on_where_it_was(tmp_path):
    network = nn.Linear(2, 1)
    course = course_in(tmp_path, network)
    assert course.resume("cpu") == {}
    course.spent, course.steps = 12.0, 7
    course.save(best=0.5)
    other = nn.Linear(2, 1)
    again = course_in(tmp_path, other)
    assert again.resume("cpu")["best"] == 0.5
    assert (again.spent, again.steps) == (12.0, 7)
    assert torch.equal(other.weight, network.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_step_follows_the_gradient_at_the_rate_of_the_hour(tmp_path):
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(3.0)
    course = course_in(tmp_path, network, pace=Pace(rate=0.1, rise=1, floor=0.0))
    course.descend(network.weight.sum() * 5.0, network, torch.optim.SGD(network.parameters(), lr=0.0))
    assert course.steps == 1
    assert network.weight.item() == pytest.approx(3.0 - 0.1)  # the gradient of 5 is clipped to 1


def test_a_bad_batch_changes_nothing(tmp_path):
    network = nn.Linear(1, 1, bias=False)
    before = network.weight.item()
    course = course_in(tmp_path, network)
    course.descend(network.weight.sum() * torch.nan, network, torch.optim.SGD(network.parameters(), lr=0.0))
    assert network.weight.item() == before


def test_the_average_follows_weights_and_statistics(tmp_path):
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    network.weight.data.fill_(3.0)
    network.running_mean.fill_(8.0)
    network.num_batches_tracked.fill_(4)
    course = course_in(tmp_path, network)
    course.steps = 1  # half is kept
    course.follow(average, network)
    assert average.weight.item() == 2.0
    assert average.running_mean.item() == 4.0
    assert average.num_batches_tracked.item() == 0


def test_stretches_tell_means_and_end_with_the_time(tmp_path):
    course = course_in(tmp_path, nn.Linear(1, 1), minutes=1.0)
    losses = iter((1.0, 3.0, 10.0, 20.0))

    def step():
        course.spent += 20.0  # as if it took twenty seconds
        return {"loss": next(losses)}

    assert [means["loss"] for means in course.stretches(step, seconds=30.0)] == [2.0, 10.0]
    assert next(losses) == 20.0


def test_every_training_asks_for_items_and_a_folder():
    options = ["--items", "a.npz", "--out", "b", "--device", "cpu"]
    arguments = training_parser(None, minutes=7).parse_args(options)
    assert (arguments.minutes, arguments.out.name) == (7, "b")
