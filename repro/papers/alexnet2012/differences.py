"""The differences between the paper's text and the authors' released source, and what the readings here do: the net.

Plain data, one row for each row of source.md 1, with its number; those of training and of images stand in
`differences_training`, and `fidelity` puts them together. `here` is a template: its numbers are read off the tables of
layers and the defaults of claims, and a test holds them to the numbers of `says` and `does`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One row. `here` is one text for both readings, or a text for `paper` and one for `source`.

    `tests`: node ids of the tests that hold `here`. `lacks`: what of the row nothing here does, or no test holds, and
    why; a row without tests has it. Words in backticks are names: keys of claims, layers.
    """

    number: int
    subject: str
    says: str  # the paper, in our words, with its section
    does: str  # the source, in our words
    here: str | tuple[str, str]
    tests: tuple[str, ...] = ()
    lacks: str = ""


ALEXNET, LAYERS, NETS = "tests/test_alexnet.py::test_", "tests/test_layers.py::test_", "tests/test_nets.py::test_"
ORDERS = f"{ALEXNET}the_readings_differ_where_text_and_source_do"
COUNTS = f"{ALEXNET}the_net_has_the_shapes_neurons_parameters_and_multiply_adds_of_both_texts"
ABLATED = f"{ALEXNET}the_ablations_have_the_published_counts"

OF_THE_NET = (
    Difference(
        1,
        "Size and padding of the first layer",
        "§3.5: 96 kernels of 11 x 11 at a stride of 4 on 224 x 224 pixels. No padding is named, and (224 - 11) / 4 + "
        "1 is 54.25.",
        "Padding 0, and the count of places is rounded up to 55 x 55. The last window reaches to pixel 227; what is "
        "missing counts as 0, which is 3 pixels of zeros right and bottom only.",
        "{net[conv1].maps} kernels of {net[conv1].size} x {net[conv1].size} at a stride of {net[conv1].stride}, "
        "padding {net[conv1].pad}; {zeros} pixels of zeros right and bottom make {whole[side][conv1]} x "
        "{whole[side][conv1]} places.",
        (
            f"{ALEXNET}an_image_that_the_strides_do_not_divide_gets_three_zeros_right_and_bottom",
            f"{ALEXNET}the_net_pads_right_and_bottom_alone",
            COUNTS,
        ),
    ),
    Difference(
        2,
        "Counts of neurons and parameters",
        "Figure 2: 253,440 neurons after layer 1. Abstract: 650,000 neurons and 60 million parameters in all.",
        "55 x 55 x 96 = 290,400 after layer 1; 253,440 is 55 x 48 x 96. In all 659,272 neurons, 60,965,224 parameters "
        "and 724 million multiply-adds an image.",
        "{whole[neurons][conv1]:,} neurons after layer 1; in all {whole[all_neurons]:,} neurons, "
        "{whole[parameters]:,} parameters and {whole[millions]} million multiply-adds an image.",
        (COUNTS,),
    ),
    Difference(
        3,
        "Order of layer 1",
        "§3.3, §3.5: normalisation after the ReLU, then pooling: convolution, ReLU, norm across maps, max pool.",
        "Convolution, norm across maps, max pool, ReLU last. The norm sees signed values, and negative ones enter its "
        "sums: not the same function.",
        ("{order[paper][conv1]}.", "{order[source][conv1]}."),
        (ORDERS, f"{ALEXNET}the_norm_of_layer_1_sees_signed_values_in_the_reading_of_the_source_alone"),
    ),
    Difference(
        4,
        "Order of layer 2",
        "§3.3, §3.5: convolution, ReLU, norm across maps, max pool.",
        "Convolution, ReLU, norm across maps, a norm within maps, max pool.",
        ("{order[paper][conv2]}.", "{order[source][conv2]}."),
        (ORDERS,),
    ),
    Difference(
        5,
        "Order of layer 5",
        "§3.4, §3.5: convolution, ReLU, max pool.",
        "Convolution, max pool, ReLU. The same function, since a maximum and a ReLU commute; gradients may differ at "
        "ties.",
        ("{order[paper][conv5]}.", "{order[source][conv5]}. Both readings are computed in this order: it is cheaper."),
        (
            ORDERS,
            f"{NETS}pooling_before_the_activation_changes_neither_outputs_nor_gradients",
            f"{NETS}an_activation_stands_after_the_max_pooling_that_follows_it",
        ),
    ),
    Difference(
        6,
        "A second kind of norm",
        "§3.3 knows one kind, across maps.",
        "After the norm of layer 2 another within each map: x divided by (1 + 0.001 / 25 times the sum of squares "
        "over 5 x 5 pixels) to the power 0.75; 0.001 / 25 is 0.00004.",
        (
            "No such layer.",
            "{source[rnorm2].size} x {source[rnorm2].size} pixels, {source[rnorm2].alpha:g} divided by their number: "
            "{within:.5f}; power {source[rnorm2].beta:g}.",
        ),
        (
            f"{ALEXNET}the_norms_have_the_constants_of_their_reading",
            f"{NETS}same_map_norm_divides_by_the_whole_window_at_the_borders_too",
        ),
    ),
    Difference(
        7,
        "Constants of the norm across maps",
        "§3.3: k = 2, n = 5, alpha = 0.0001, beta = 0.75; alpha multiplies the sum.",
        "Constant 2, size 5, scale 0.0001, power 0.75; but the scale is divided by the size: alpha is 0.00002. "
        "torch's nn.LocalResponseNorm divides too.",
        (
            "k = {paper[lrn1].k:g}, n = {paper[lrn1].size}, alpha = {paper[lrn1].alpha:.4f}, beta = "
            "{paper[lrn1].beta:g}.",
            "k = {source[lrn1].k:g}, n = {source[lrn1].size}, alpha = {source[lrn1].alpha:.5f}, beta = "
            "{source[lrn1].beta:g}.",
        ),
        (
            f"{ALEXNET}the_norms_have_the_constants_of_their_reading",
            f"{LAYERS}the_norm_across_maps_is_the_printed_formula_within_each_group",
            f"{LAYERS}torch_divides_alpha_by_the_number_of_maps_as_the_source_does",
        ),
    ),
    Difference(
        8,
        "Reach of the norm across maps",
        "§3.3: over adjacent maps, of all the kernels in the layer.",
        "A norm for each tower, over 48 maps in layer 1 and 128 in layer 2: no sum crosses from one tower to the "
        "other.",
        "Within each tower, over {whole[depth][lrn1]} maps in layer 1 and {whole[depth][lrn2]} in layer 2.",
        (
            f"{ALEXNET}norms_do_not_cross_the_border_of_the_towers",
            f"{LAYERS}the_norm_across_maps_is_the_printed_formula_within_each_group",
        ),
    ),
    Difference(
        9,
        "Overlapping pooling",
        "§3.4: windows of z = 3 at a stride of s = 2.",
        "The same, sizes rounded up: 55 to 27, 27 to 13, 13 to 6. fc6 reads 6 x 6 x 256 = 9,216 values.",
        "Windows of {net[pool1].size} at a stride of {net[pool1].stride}: {whole[side][conv1]} to "
        "{whole[side][pool1]}, {whole[side][conv2]} to {whole[side][pool2]}, {whole[side][conv5]} to "
        "{whole[side][pool5]}. `fc6` reads {whole[inputs][fc6]:,} values.",
        (COUNTS, f"{NETS}pooling_rounds_up_clips_its_windows_and_averages_over_what_is_left"),
    ),
    Difference(
        10,
        "Kernels of the other convolutions",
        "§3.5: 5 x 5 x 48, then 3 x 3 x 256, 3 x 3 x 192 and 3 x 3 x 192. No padding is named.",
        "The same, with padding 2 in conv2 and 1 in conv3, conv4 and conv5; conv3 reads both towers.",
        "{net[conv2].size} x {net[conv2].size} x {whole[depth][conv2]}, padding {net[conv2].pad}; {net[conv3].size} x "
        "{net[conv3].size} x {whole[depth][conv3]}, padding {net[conv3].pad}; {net[conv4].size} x {net[conv4].size} x "
        "{whole[depth][conv4]}, padding {net[conv4].pad}; {net[conv5].size} x {net[conv5].size} x "
        "{whole[depth][conv5]}, padding {net[conv5].pad}.",
        (COUNTS, f"{ALEXNET}a_tower_reads_its_own_half_but_for_the_third_convolution"),
    ),
    Difference(
        11,
        "Deviation of the initial weights",
        "§5: normal with deviation 0.01 in each layer.",
        "0.01 in conv1, conv2 and the fully connected layers; 0.03 in conv3, conv4 and conv5.",
        ("{deviations[paper]}.", "{deviations[source]}."),
        (ORDERS, f"{ALEXNET}weights_start_with_the_deviations_of_the_rows"),
    ),
    Difference(
        12,
        "Initial biases",
        "§5: 1 in conv2, conv4, conv5 and the hidden fully connected layers, 0 in the others.",
        "Exactly so.",
        "{biases}.",
        (
            f"{ALEXNET}biases_are_one_in_conv2_4_5_and_the_hidden_fully_connected_layers",
            f"{ALEXNET}weights_start_with_the_deviations_of_the_rows",
        ),
    ),
    Difference(
        28,
        "Dropout",
        "§4.2: in the first two fully connected layers each unit is 0 with probability 0.5; in testing outputs are "
        "multiplied by 0.5.",
        "The same, after the ReLU; in training what is kept is not enlarged. Kept with probability 0.5.",
        "After the ReLU of `fc6` and `fc7`, kept with probability {net[drop6].keep:g} as it is; in testing multiplied "
        "by {net[drop6].keep:g}.",
        (
            f"{ALEXNET}dropout_stands_after_the_activations_of_the_two_hidden_fully_connected_layers",
            f"{LAYERS}dropout_in_training_zeroes_some_units_and_leaves_the_others_as_they_are",
            f"{LAYERS}dropout_in_testing_multiplies_by_the_probability_of_keeping",
        ),
    ),
    Difference(
        32,
        "The net for one GPU",
        "§3.2, a footnote: half as many kernels in each convolution, but in the last.",
        "48, 128, 192, 192 and 256 kernels, fully connected layers of 4,096: 59,798,312 parameters, and 391 million "
        "multiply-adds of 724.",
        "`model.towers: one half`: {half[maps]} kernels, fully connected layers of {half[units]:,}; "
        "{half[parameters]:,} parameters, {half[millions]} million multiply-adds.",
        (ABLATED, f"{ALEXNET}the_one_tower_net_has_one_group_and_half_the_kernels_but_in_the_last_convolution"),
    ),
    Difference(
        33,
        "Pooling without overlap",
        "§3.4: s = 2, z = 2 gives outputs of equivalent dimensions.",
        "To end at 6 x 6 the padding of conv2 falls from 2 to 1 and that of conv5 from 1 to 0. Sizes of 55, 28, 26, "
        "13, 13, 13, 11 and 6: equal only after the last two poolings.",
        "`model.pooling: 2/2`, with paddings of {apart[pads]} in conv2 and conv5: sizes of {apart[sides]}.",
        (f"{ALEXNET}pooling_without_overlap_keeps_the_sizes_after_the_second_and_the_last_pooling",),
    ),
    Difference(
        34,
        "The net without normalisation",
        "§3.3: the norm lowers the errors by 1.4 and 1.2 points.",
        "The net it is compared with lacks all three norms, the one within maps too.",
        (
            "`model.norms: none` takes away {norms[paper]}.",
            "`model.norms: none` takes away {norms[source]}.",
        ),
        (f"{ALEXNET}norms_go_all_or_by_layer_or_leave_their_scale",),
    ),
    Difference(
        35,
        "The sixth convolution",
        "§6: a sixth convolutional layer over the last pooling layer, for the nets that were trained on more data "
        "first.",
        "256 kernels, 128 a tower, of 3 x 3, padding 1, from both towers, deviation 0.03 instead of 0.01, bias 1: "
        "590,080 parameters more. The net for Fall 2011 has a linear layer of 2 x 1,024 before its outputs.",
        (
            "`model.conv6`: {sixth[paper].maps} kernels of {sixth[paper].size} x {sixth[paper].size}, padding "
            "{sixth[paper].pad}, from both towers, deviation {sixth[paper].std:g}, bias {sixth[paper].bias:g}; "
            "{more:,} parameters more.",
            "`model.conv6`: {sixth[source].maps} kernels of {sixth[source].size} x {sixth[source].size}, padding "
            "{sixth[source].pad}, from both towers, deviation {sixth[source].std:g}, bias {sixth[source].bias:g}; "
            "{more:,} parameters more.",
        ),
        (ABLATED, f"{ALEXNET}the_sixth_convolution_reads_both_towers_where_the_last_pooling_ends"),
        "The linear layer of the net for Fall 2011 is not there: no claim asks for it.",
    ),
    Difference(
        36,
        "The five similar nets",
        "§6: five similar nets averaged.",
        "The nets of 2012 before the paper's own have 2 x 32 kernels in layer 1, and a path of low resolution beside "
        "it.",
        "No such net.",
        lacks="Which nets the five were is not on record (source.md 5, 6); nets with a path of low resolution are not "
        "built here.",
    ),
    Difference(
        38,
        "Where the towers meet",
        "§3.2: the GPUs communicate only in certain layers.",
        "conv3, fc6, fc7 and fc8 read both towers.",
        "{meet} read both towers, in one process or in two.",
        (
            f"{ALEXNET}a_tower_reads_its_own_half_but_for_the_third_convolution",
            "tests/test_towers.py::test_the_towers_talk_only_where_they_meet",
            "tests/test_towers.py::test_two_processes_compute_what_the_grouped_net_computes",
        ),
    ),
)
