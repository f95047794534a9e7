"""The differences between text and source that concern training and images: as in `differences`."""

from __future__ import annotations

from repro.papers.alexnet2012.differences import Difference

DRAWS, PHOTOS = "tests/test_data_augment.py::test_", "tests/test_data_photo_batches.py::test_"
SGD, TRAINING = "tests/test_sgd.py::test_", "tests/test_training.py::test_"
SCHEDULES, LOOKS = "tests/test_schedules.py::test_", "tests/test_photo_training.py::test_"
ALEXNET, NETS, FIDELITY = "tests/test_alexnet.py::test_", "tests/test_nets.py::test_", "tests/test_fidelity.py::test_"

OF_TRAINING = (
    Difference(
        13,
        "Rate of the biases",
        "§5: an equal learning rate for all layers, 0.01 at the start.",
        "0.01 for weights, 0.02 for biases: 2 times as much. The rate of the biases is cut once at most, so that it "
        "ends at 200 to 2,000 times the rate of the weights.",
        "`train.bias_lr`, by default {train.bias_lr:g} times the rate of the weights, whose default is {train.lr:g}. "
        "A factor of one is the printed rule.",
        (
            f"{SGD}biases_move_at_twice_the_rate_and_do_not_decay",
            f"{SGD}groups_give_every_parameter_its_rate_and_decay_by_layer",
            f"{SCHEDULES}a_run_divides_the_rates_of_weights_and_biases_alike",
        ),
        "The single late cut is not done: when it came is not on record (source.md 5, 3). Both rates fall together.",
    ),
    Difference(
        14,
        "Weight decay",
        "§5: 0.0005.",
        "0.0005 on every weight, none on biases.",
        "{decay:g} on every weight, none on biases.",
        (
            f"{ALEXNET}biases_are_one_in_conv2_4_5_and_the_hidden_fully_connected_layers",
            f"{SGD}biases_move_at_twice_the_rate_and_do_not_decay",
        ),
    ),
    Difference(
        15,
        "Update rule",
        "§5: v becomes 0.9 v - 0.0005 rate w - rate g, then w becomes w + v; g is the average over the batch.",
        "The same; g is divided by the size of its own minibatch. The rate stands inside the velocity: what was "
        "gathered at an old rate survives a cut. A layer with rate 0 is not updated, and its velocity stays.",
        "The same, momentum {train.momentum:g}: `PaperSGD`. `torch.optim.SGD` multiplies the whole velocity by the "
        "new rate instead. A layer at rate zero is passed over, with its velocity.",
        (
            f"{SGD}it_is_the_papers_formula_through_every_drop",
            f"{SGD}what_was_gathered_at_the_old_rate_keeps_its_size_after_a_drop",
            f"{SGD}after_a_drop_it_is_not_torchs_sgd",
            f"{TRAINING}an_epoch_records_errors_over_images_and_every_update",
            f"{FIDELITY}a_layer_at_rate_zero_stands_still_and_so_does_its_velocity",
        ),
    ),
    Difference(
        16,
        "Cuts of the rate",
        "§5: divided by ten when the validation error no longer improved, three times in all.",
        "Three times, by hand, from 0.01 to 0.00001: after epochs 23, 51 and 78 on the data of 2010, 25, 51 and 79 on "
        "those of 2012.",
        "A claim sets it: `train.plateau`, epochs without a lower held-out error after which all rates are divided by "
        "ten, three times before the end; or `train.drops`, the epochs after which they are divided.",
        (
            f"{SCHEDULES}the_plateau_rule_divides_three_times_and_then_ends_the_run",
            f"{SCHEDULES}a_run_that_no_longer_improves_is_divided_three_times_and_ends",
            f"{SCHEDULES}a_run_with_a_plateau_goes_on_from_any_checkpoint_bit_for_bit",
            f"{SCHEDULES}rates_are_divided_by_ten_after_each_of_the_stated_epochs",
        ),
    ),
    Difference(
        17,
        "The first layer is frozen late",
        "Nothing.",
        "The rate of conv1, weights and biases, is 0.00001 from epoch 67 or 68, and 0 from epoch 72 to the end.",
        ("`conv1` learns to the end.", "A claim sets it: `train.freeze`, the last epoch in which `conv1` learns."),
        (f"{SCHEDULES}a_frozen_layer_keeps_weights_biases_and_velocities_bit_for_bit",),
        "The few epochs at a rate of its own are not done: rates are divided for all layers together.",
    ),
    Difference(
        18,
        "Colour noise ends early",
        "Nothing.",
        "The noise is switched off at epoch 67 or 68; from then on nothing is divided by 1.1 either.",
        ("Noise to the end.", "A claim sets it: `train.colour_until`, the last epoch with noise and its division."),
        (
            f"{PHOTOS}colour_noise_is_added_after_the_mean_and_the_source_divides_by_1_1",
            f"{SCHEDULES}colour_noise_ends_after_its_last_epoch_and_moves_no_crop",
        ),
    ),
    Difference(
        19,
        "Colour noise",
        "§4.1: each principal component of the RGB values, times its eigenvalue, times a normal number of deviation "
        "0.1. The scale of the values is not said: along the brightness that is 5.8 grey levels for values between 0 "
        "and 1, but 1,483 for values up to 255.",
        "The square root of the eigenvalue in its place, one draw for each image, after the mean: 12.2 grey levels.",
        (
            "`data.colour: paper`: eigenvalues of values between zero and one, times a deviation of "
            "{drawn[strength]:g}: {drawn[paper_levels]:.1f} grey levels along the brightness.",
            "`data.colour: source`: square roots of the eigenvalues, times {drawn[strength]:g}: "
            "{drawn[source_levels]:.1f} grey levels.",
        ),
        (
            f"{DRAWS}the_noise_has_the_deviation_of_its_formula_along_each_component",
            f"{DRAWS}the_source_s_eigenvalues_give_the_noise_that_its_notes_give",
            f"{PHOTOS}colour_noise_is_added_after_the_mean_and_the_source_divides_by_1_1",
        ),
    ),
    Difference(
        20,
        "Division after the noise",
        "Nothing.",
        "With the noise, training images are divided by 1.1; test images never.",
        ("No division.", "Training images are divided by {drawn[divisor]:g}; test images never."),
        (
            f"{PHOTOS}colour_noise_is_added_after_the_mean_and_the_source_divides_by_1_1",
            f"{PHOTOS}test_batches_are_centres_and_ten_views_stand_in_the_source_s_order",
        ),
    ),
    Difference(
        21,
        "Count of crops and reflections",
        "§4.1: random crops of 224 from 256 and reflections make the set 2,048 times as large: 32 x 32 x 2.",
        "Offsets from 0 to 32 inclusive: 33 x 33 x 2 = 2,178.",
        (
            "`data.crops: paper`: {drawn[paper_places]} x {drawn[paper_places]} offsets, with reflections "
            "{drawn[paper_outcomes]:,} outcomes.",
            "`data.crops: source`: {drawn[source_places]} x {drawn[source_places]} offsets, with reflections "
            "{drawn[source_outcomes]:,} outcomes.",
        ),
        (f"{DRAWS}the_paper_s_2048_and_the_source_s_2178_outcomes_all_happen_and_no_other",),
    ),
    Difference(
        22,
        "Images that share a crop",
        "§4.1: random patches; a draw for each image is implied.",
        "32 consecutive images share one offset and one reflection: 4 draws in a minibatch of 128.",
        (
            "`data.crops: paper`: a draw for each image.",
            "`data.crops: source`: {drawn[shared]} consecutive images share a draw.",
        ),
        (f"{DRAWS}in_the_source_s_reading_32_consecutive_images_share_a_draw_and_in_the_paper_s_none",),
    ),
    Difference(
        23,
        "Reflections",
        "§4.1: horizontal reflections.",
        "The columns reversed with probability one half, decided for 32 images at once.",
        (
            "The columns reversed with probability one half, decided for each image.",
            "The same, decided for {drawn[shared]} images at once.",
        ),
        (
            f"{DRAWS}every_offset_and_reflection_is_the_plain_slice",
            f"{DRAWS}the_paper_s_2048_and_the_source_s_2178_outcomes_all_happen_and_no_other",
        ),
    ),
    Difference(
        24,
        "What is subtracted",
        "§2: the mean activity of each pixel over the training set.",
        "A mean image of 256 x 256, but always its centre of 224 x 224, whatever the offset of the crop.",
        (
            "`data.mean: per_offset`: the mean image is cropped and mirrored with the photo.",
            "`data.mean: centre`: every crop loses the centre of the mean image.",
        ),
        (f"{PHOTOS}training_batches_are_the_crops_that_were_drawn_less_the_mean",),
    ),
    Difference(
        25,
        "How images are made ready",
        "§2: the shorter side rescaled to 256, the central 256 x 256 cut out.",
        "Nothing that was released makes the images. A later tool of the author does what the paper says; some sets "
        "held whole images on a canvas, which his notes judge bad.",
        "As printed, in both readings: short side to {stored}, the centre cut out.",
        ("tests/test_data_photos.py::test_the_short_side_comes_to_the_size_and_the_centre_is_cut_out",),
    ),
    Difference(
        26,
        "Ten views",
        "§4.1: four corners and the centre, with their reflections, 10 in all; the softmax outputs averaged.",
        "Upper left, upper right, centre, lower left, lower right, then the same mirrored; the arithmetic mean of the "
        "softmax outputs.",
        "{drawn[views]} views in the order of the source; the mean of their softmax outputs.",
        (
            f"{DRAWS}the_ten_views_stand_in_the_source_s_order",
            f"{PHOTOS}test_batches_are_centres_and_ten_views_stand_in_the_source_s_order",
            f"{FIDELITY}the_answer_for_a_photo_is_the_mean_of_the_softmax_outputs_of_its_ten_views",
            f"{LOOKS}ten_views_are_answered_by_the_mean_of_ten_softmax_outputs",
        ),
    ),
    Difference(
        27,
        "Ties in top-1 and top-5",
        "§2: an error is a label that is not among the five most probable; ties are not spoken of.",
        "Tied classes share the credit.",
        "Of tied classes the one with the lower number leads, and no credit is shared.",
        (
            f"{FIDELITY}of_tied_classes_the_lower_one_leads",
            f"{LOOKS}the_place_of_a_class_counts_likelier_ones_and_of_equal_ones_the_lower",
        ),
        "Sharing the credit is not done: nothing rests on it, since logits hardly ever tie.",
    ),
    Difference(
        29,
        "Loss",
        "§3.5: multinomial logistic regression, the average log-probability of the right label.",
        "Minus the natural logarithm of the probability of the right label, summed, and printed for each image.",
        "The mean over the minibatch of minus the natural logarithm: nats for each image.",
        (f"{FIDELITY}the_loss_is_minus_the_natural_logarithm_of_the_probability_of_the_right_label",),
    ),
    Difference(
        30,
        "Minibatches and their order",
        "§5: batches of 128. The order is not given.",
        "128 by default, in files of 1,024 images for the data of 2010, the last minibatch of a file short and at the "
        "full rate. No shuffling: two images keep the same neighbours for the whole run.",
        "`train.batch`, by default {train.batch}; `train.file_images`, after which a short minibatch may come; "
        "`train.order: {train.order}`, the default: drawn once for each seed, the same in every epoch.",
        (
            f"{TRAINING}an_epoch_takes_every_image_once_in_an_order_of_its_seed",
            f"{TRAINING}minibatches_never_reach_over_the_end_of_a_file",
        ),
        "The authors' own order is not on record; every seed has another.",
    ),
    Difference(
        31,
        "Length of the training",
        "§5: roughly 90 cycles through 1.2 million images.",
        "Stopped at epoch 93 (data of 2010) and 91 (2012).",
        "`train.epochs`, by default {train.epochs}.",
        (f"{FIDELITY}every_number_of_what_is_done_here_is_one_of_the_paper_or_of_the_source",),
    ),
    Difference(
        37,
        "Seeds",
        "Nothing.",
        "None: no run can be repeated bit for bit.",
        "Everything that is drawn is a function of the run's seed and its own name; on the CPU a run is repeated bit "
        "for bit.",
        (
            f"{TRAINING}a_run_resumed_after_any_epoch_is_the_uninterrupted_one_bit_for_bit",
            f"{TRAINING}training_draws_no_global_randomness",
            f"{NETS}initial_values_are_a_function_of_seed_and_name",
        ),
    ),
)
